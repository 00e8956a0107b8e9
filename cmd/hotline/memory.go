package main

// ballast is memory that is reserved and never touched, so it costs address space alone. The collector runs when the heap has doubled:
// beside a heap of a few megabytes that would be many times a second while calls come and go; with it, garbage of at least as much
// may gather first, which takes a fifth off the CPU of a rush.
var ballast []byte

const ballastBytes = 64 << 20

func loadBallast() { ballast = make([]byte, ballastBytes) }
