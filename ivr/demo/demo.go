// Package demo holds the configuration of the demonstration as files: the same files that "hotline config" reads.
//
// It does nothing with them; package ivr seeds them once.
package demo

import (
	"embed"
	"io/fs"
)

//go:embed files
var files embed.FS

// Files returns the folder of the demonstration's configuration.
func Files() fs.FS {
	sub, err := fs.Sub(files, "files")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	return sub
}
