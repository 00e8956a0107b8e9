// Package e2e tests the built binary as its users meet it: `hotline serve --demo` on free loopback ports with a data folder of its
// own, called by sipp, baresip and `hotline call`, and looked at through Chromium. Nothing is replaced: database, speech, audio and
// files are the real ones.
//
// The tests run with the build tag e2e (`make e2e`). house_test.go starts and stops the product; each other file is one subject. Those
// of asterisk_*_test.go have a real Asterisk 22 between the callers and the product: startOnAsterisk.
package e2e
