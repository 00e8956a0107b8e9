package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// runConfig lists the process's own keys, or moves the configuration of the database to files and back.
func runConfig(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errors.New("say what to do: hotline config keys, export DIR, plan DIR or apply DIR")
	}
	switch args[0] {
	case "keys":
		for _, s := range settings {
			fmt.Fprintf(stdout, "%-15s HOTLINE_%-15s %-16q %s\n", s.key, strings.ToUpper(s.key), s.preset, s.help)
		}
		return nil
	case "export", "plan", "apply":
		return errors.New("not yet")
	}
	return fmt.Errorf("there is no hotline config %s; use keys, export, plan or apply", args[0])
}
