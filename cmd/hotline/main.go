// Command hotline is the whole product in one binary.
//
// It reads the configuration (the only package that does), wires the other packages and runs them. Each sub-command stands in a
// file of its own; serve.go is where the house is put together. Nothing here decides about a call or a ticket.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// command is one sub-command: it returns when its work is done or ctx ends.
type command struct {
	name, use, help string
	run             func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

func commands() []command {
	return []command{
		{"serve", "[--config FILE] [--demo]", "run the product", runServe},
		{"call", "[--to URI] [--from NUMBER] [--send DIGITS] …", "be a caller in the terminal", runCall},
		{"doctor", "[--config FILE]", "check ports, database, certificates, speech, disk", runDoctor},
		{"user", "add --login NAME --role ROLE | password --login NAME", "make a console account or set its password", runUser},
		{"token", "create --name NAME --role ROLE", "make an API token (revoked in the console)", runToken},
		{"config", "keys | export DIR | plan DIR | apply DIR", "configuration as files", runConfig},
		{"asterisk", "config [--out DIR] [--check] …", "write Asterisk's configuration from the trunks and numbers", runAsterisk},
		{"guard", "[--now] [--config FILE]", "give the callers of a Hotline that died back to Asterisk's dialplan (serve starts one)", runGuard},
		{"migrate", "[--config FILE]", "bring the database to this version's schema", runMigrate},
		{"version", "", "print the version", runVersion},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal has its usual effect: it stops the process
	err := dispatch(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "hotline: "+err.Error())
	os.Exit(1)
}

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		usage(stdout)
		return nil
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:], stdout, stderr)
		}
	}
	usage(stderr)
	return fmt.Errorf("there is no command %q", args[0])
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Hotline answers an organisation's phone number and makes every call a ticket.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  hotline %-8s %s\n                   %s\n", c.name, c.use, c.help)
	}
	fmt.Fprint(w, "\nhotline COMMAND --help lists the options of a command.\n")
}

// version is set by the linker; a build without it says the commit.
var version = ""

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return "dev-" + s.Value[:12]
			}
		}
	}
	return "dev"
}

func runVersion(_ context.Context, _ []string, stdout, _ io.Writer) error {
	_, err := fmt.Fprintln(stdout, "hotline "+versionText())
	return err
}

// flags returns a flag set that carries --config, and the function that loads the configuration it names.
func flags(name string, stderr io.Writer) (*flag.FlagSet, func() (config, error)) {
	fs := flag.NewFlagSet("hotline "+name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	file := fs.String("config", os.Getenv("HOTLINE_CONFIG"), "configuration `file` (YAML)")
	return fs, func() (config, error) { return loadConfig(*file, os.Environ()) }
}
