package softphone

// The events. asyncapi.yaml says what is in them; a test holds the two together.
const (
	eventAgent      = "agent"
	eventPhone      = "phone"
	eventOffer      = "offer"
	eventOfferGone  = "offer.gone"
	eventCall       = "call"
	eventGone       = "call.gone"
	eventQuality    = "quality"
	eventWrap       = "wrap"
	eventWrapGone   = "wrap.gone"
	eventColleagues = "colleagues"
	eventNotice     = "notice"
	eventMention    = "mention"
	eventSupervise  = "supervise"
	eventBoard      = "board"
	eventBoardQueue = "board.queue"
	eventBoardAgent = "board.agent"
	eventBoardCall  = "board.call"
	eventBoardGone  = "board.gone"
)

// events are all of them.
var events = []string{
	eventAgent, eventPhone, eventOffer, eventOfferGone, eventCall, eventGone, eventQuality, eventWrap, eventWrapGone,
	eventColleagues, eventNotice, eventMention, eventSupervise, eventBoard, eventBoardQueue, eventBoardAgent, eventBoardCall, eventBoardGone,
}

// Gone says which call, offer or after-call work is over, and why.
type Gone struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}
