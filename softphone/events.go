package softphone

// The events. asyncapi.yaml says what is in them; a test holds the two together.
const (
	eventAgent      = "agent"
	eventPhone      = "phone"
	eventOffer      = "offer"
	eventOfferGone  = "offer.gone"
	eventCall       = "call"
	eventCallGone   = "call.gone"
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
	eventAgent, eventPhone, eventOffer, eventOfferGone, eventCall, eventCallGone, eventQuality, eventWrap, eventWrapGone,
	eventColleagues, eventNotice, eventMention, eventSupervise, eventBoard, eventBoardQueue, eventBoardAgent, eventBoardCall, eventBoardGone,
}

// goneData says what is over, and why.
type goneData struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}
