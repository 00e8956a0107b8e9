package main

import (
	"os"
	"testing"

	"hotline/postgres/pgtest"
)

// TestMain is also the guardian that the product starts: it runs its own binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "guard" {
		main()
		return
	}
	pgtest.Main(m)
}
