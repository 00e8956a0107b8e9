package ivr

import (
	"time"

	"hotline/ivr/flow"
	"hotline/ivr/hours"
)

// Problem is a reason why a flow is refused.
type Problem = flow.Problem

// NodeOutline is a node of a flow as the console's tree shows it.
type NodeOutline = flow.NodeOutline

// Schedule is when one is open.
type Schedule = hours.Schedule

// FlowRow is a flow as it is listed.
type FlowRow struct {
	Name             string            `json:"name"`
	Title            map[string]string `json:"title"` // by language, of the draft if there is one
	PublishedVersion *int64            `json:"published_version"`
	PublishedAt      *time.Time        `json:"published_at"`
	PublishedBy      string            `json:"published_by"`
	HasDraft         bool              `json:"has_draft"`
	DraftAt          *time.Time        `json:"draft_at"`
	DraftBy          string            `json:"draft_by"`
	Numbers          []string          `json:"numbers"`
}

// FlowDetail is a flow with its text. Source is the draft if there is one, else what is published.
type FlowDetail struct {
	FlowRow
	Source          string        `json:"source"`
	PublishedSource string        `json:"published_source"`
	Problems        []Problem     `json:"problems"`
	Outline         []NodeOutline `json:"outline"`
	Versions        []FlowVersion `json:"versions"`
}

// FlowVersion is a version that was published. Source is given by [Store.Version] alone.
type FlowVersion struct {
	Version     int64     `json:"version"`
	PublishedAt time.Time `json:"published_at"`
	PublishedBy string    `json:"published_by"`
	Comment     string    `json:"comment"`
	Source      string    `json:"source,omitempty"`
}

// PromptRow is a prompt in one language: recorded audio, or text that the voice speaks.
type PromptRow struct {
	Name       string    `json:"name"`
	Language   string    `json:"language"`
	Kind       string    `json:"kind"` // audio, speech
	Text       string    `json:"text"`
	DurationMS int64     `json:"duration_ms"`
	Version    int64     `json:"version"`
	UpdatedAt  time.Time `json:"updated_at"`
	UpdatedBy  string    `json:"updated_by"`
	BuiltIn    bool      `json:"built_in"` // part of Hotline: not in the database, replaced by putting one of that name
}

// HoursRow is a table of opening hours. OpenNow and NextChange are computed when it is read.
type HoursRow struct {
	Name       string            `json:"name"`
	Title      map[string]string `json:"title"`
	Timezone   string            `json:"timezone"`
	Schedule   Schedule          `json:"schedule"`
	Version    int64             `json:"version"`
	UpdatedAt  time.Time         `json:"updated_at"`
	OpenNow    bool              `json:"open_now"`
	NextChange *time.Time        `json:"next_change"`
}
