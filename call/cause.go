package call

// Cause says why a leg ended or is to be ended: Q.850 and SIP, kept together as the Reason header does (RFC 3326).
type Cause struct {
	Q850 int    `json:"q850"` // 0 when unknown
	SIP  int    `json:"sip"`  // final response code, 0 when the leg was established
	Text string `json:"text"` // short, English, for engineers
	By   string `json:"by"`   // "peer", "hotline", "backend"
}

// Causes used across the product (Q.850, RFC 3398 for the mapping).
var (
	CauseNormal      = Cause{Q850: 16, Text: "normal clearing", By: "hotline"}
	CauseBusy        = Cause{Q850: 17, SIP: 486, Text: "busy", By: "hotline"}
	CauseNoAnswer    = Cause{Q850: 19, SIP: 480, Text: "no answer", By: "hotline"}
	CauseRejected    = Cause{Q850: 21, SIP: 403, Text: "rejected", By: "hotline"}
	CauseUnassigned  = Cause{Q850: 1, SIP: 404, Text: "unassigned number", By: "hotline"}
	CauseCongestion  = Cause{Q850: 42, SIP: 503, Text: "congestion", By: "hotline"}
	CauseFailure     = Cause{Q850: 41, SIP: 500, Text: "temporary failure", By: "hotline"}
	CausePeerHangup  = Cause{Q850: 16, Text: "hung up by peer", By: "peer"}
	CauseCancelled   = Cause{Q850: 16, SIP: 487, Text: "cancelled by caller", By: "peer"}
	CauseNoACK       = Cause{Q850: 102, Text: "no ACK for our 200", By: "hotline"}
	CauseMediaLost   = Cause{Q850: 41, Text: "no audio from peer", By: "hotline"}
	CauseExpired     = Cause{Q850: 102, Text: "session timer expired", By: "hotline"}
	CauseShutdown    = Cause{Q850: 41, SIP: 503, Text: "shutting down", By: "hotline"}
	CauseBackendLost = Cause{Q850: 41, Text: "backend lost", By: "backend"}
	CauseCutBySystem = Cause{Q850: 41, Text: "cut by system", By: "backend"}
)
