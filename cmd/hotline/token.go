package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/web/login"
)

// standardInput is where --password-stdin reads from.
var standardInput io.Reader = os.Stdin

// runToken makes an API token and prints it alone on standard output.
func runToken(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || args[0] != "create" {
		return errors.New("say what to do: hotline token create --name NAME --role ROLE")
	}
	fs, load := flags("token create", stderr)
	name := fs.String("name", "", "`name` of the token, for its list and the audit")
	role := fs.String("role", string(login.Agent), "agent, supervisor, engineer or admin")
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	if *name == "" {
		return errors.New("--name is missing: say what the token is for")
	}
	c, err := load()
	if err != nil {
		return err
	}
	return withDatabase(ctx, c, func(pool *pgxpool.Pool) error {
		token, err := login.CreateToken(ctx, pool, *name, login.Role(*role))
		if err != nil {
			return err
		}
		if err := auditCommand(ctx, pool, "token.create", "token:"+*name, map[string]any{"name": *name, "role": *role}); err != nil {
			return err
		}
		_, err = fmt.Fprintln(stdout, token)
		return err
	})
}
