package away

// prefix begins the names of messages among the recordings of an Asterisk.
const prefix = "hl-away"
