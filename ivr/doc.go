// Package ivr is what a caller meets: it runs the flow that the dialled number points to.
//
// It owns flows (draft, publish, roll back), prompts and the voice that speaks them, opening hours, and the interpreter: a straight
// script over the blocking verbs of call.Call, one node after the other. It moves no audio itself, files no ticket and keeps no
// line: media, the journal's facts and acd do. The language of flows is package flow; numbers and dates become words in package
// spoken; text becomes sound in package speech; web services are asked by package lookup, which never reaches inside.
//
// Start at [Exchange.Route], then [run] in run.go. What is published is held in memory as one snapshot, which a call keeps to its
// end, so that calls go on while the database is away.
package ivr
