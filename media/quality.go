package media

// Quality is what was measured of a stream.
type Quality struct {
	Codec           string  `json:"codec"`
	PacketsSent     uint64  `json:"packets_sent"`
	PacketsReceived uint64  `json:"packets_received"`
	Lost            int64   `json:"lost"`             // of what the peer sent (RFC 3550, appendix A.3)
	JitterMS        float64 `json:"jitter_ms"`        // of what the peer sent (RFC 3550, appendix A.8)
	RTTMS           float64 `json:"rtt_ms"`           // 0 until the peer has reported
	RemoteLost      int64   `json:"remote_lost"`      // of what we sent, as the peer reports
	RemoteJitterMS  float64 `json:"remote_jitter_ms"` // likewise
	MOS             float64 `json:"mos"`              // 1 to 4.5 by the E-model (ITU-T G.107); an estimate
	MOSEstimated    bool    `json:"mos_estimated"`    // always true: nobody was asked
	Late            uint64  `json:"late"`             // packets too late for the jitter buffer
	Concealed       uint64  `json:"concealed"`        // frames of 20 ms that were made up
	DelayMS         float64 `json:"delay_ms"`         // of the jitter buffer
	Strangers       uint64  `json:"strangers"`        // packets from addresses that are not the peer's: dropped
	Invalid         uint64  `json:"invalid"`          // packets that were no RTP, or failed authentication
	DigitsDropped   uint64  `json:"digits_dropped"`   // faster than any human or machine dials
}
