package softphone

// ringing is what a foreign system is told when a call rings for somebody.
type ringing struct {
	Event string     `json:"event"` // offer
	Agent Person     `json:"agent"`
	Offer *OfferView `json:"offer"`
}
