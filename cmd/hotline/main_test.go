package main

import (
	"testing"

	"hotline/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
