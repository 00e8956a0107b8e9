package tickets

import (
	"hotline/tickets/phone"
	"hotline/tickets/words"
)

// What package phone makes of numbers, by the names under which everybody knows it.
type (
	// Phone is a number made comparable.
	Phone = phone.Number
	// PhoneKind says what a number as signalled or typed is.
	PhoneKind = phone.Kind
)

// The kinds of numbers; see package phone.
const (
	E164      = phone.E164
	Extension = phone.Extension
	Short     = phone.Short
	Local     = phone.Local
	Withheld  = phone.Withheld
)

// NormalisePhone makes a number as signalled or typed comparable; see [phone.Normalise].
func NormalisePhone(raw, country string) Phone { return phone.Normalise(raw, country) }

// Tokens are the tokens of a search document made of texts and of phone numbers, for whoever fills the table in bulk.
func Tokens(texts, phones []string) []string { return words.Tokens(texts, phones) }

var (
	textTokens  = words.Text
	phoneTokens = words.Phone
	document    = words.Document
	tsquery     = words.Query
	excerpt     = words.Excerpt
)
