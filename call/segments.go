package call

import "hotline"

// reasonCut is why a segment was left that a fault of ours ended.
const reasonCut = "cut"

func newID() string { return hotline.NewID() }

// segmentOf returns the kind of segment that a phase makes.
func segmentOf(p Phase) SegmentKind {
	switch p {
	case PhaseMenu:
		return SegmentMenu
	case PhaseQueued:
		return SegmentQueue
	case PhaseTalking:
		return SegmentTalk
	case PhaseVoicemail:
		return SegmentVoicemail
	case PhaseTransfer:
		return SegmentTransfer
	default:
		return SegmentRing
	}
}
