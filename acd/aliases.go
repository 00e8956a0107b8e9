package acd

import (
	"time"

	"hotline/acd/settings"
)

// What can be set of a queue.
type (
	Settings  = settings.Settings
	Action    = settings.Action
	Offering  = settings.Offering
	Strategy  = settings.Strategy
	Wrapping  = settings.Wrapping
	WrapMode  = settings.WrapMode
	Callbacks = settings.Callbacks
	Skills    = settings.Skills
)

// The actions, strategies and modes.
const (
	ToVoicemail = settings.ToVoicemail
	ToCallback  = settings.ToCallback
	ToNext      = settings.ToNext
	ToHangup    = settings.ToHangup

	LongestIdle = settings.LongestIdle
	RoundRobin  = settings.RoundRobin
	FewestCalls = settings.FewestCalls
	RingAll     = settings.RingAll
	BestSkill   = settings.BestSkill

	WrapNone      = settings.WrapNone
	WrapOptional  = settings.WrapOptional
	WrapMandatory = settings.WrapMandatory
	WrapTimed     = settings.WrapTimed
)

// DefaultSettings are those of a queue that says nothing.
func DefaultSettings() Settings { return settings.DefaultSettings() }

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
