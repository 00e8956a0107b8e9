package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/web/login"
)

// runUser makes a console account, or gives one a new password. A password that is not given is random and printed once.
func runUser(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || (args[0] != "add" && args[0] != "password") {
		return errors.New("say what to do: hotline user add --login NAME --role ROLE, or hotline user password --login NAME")
	}
	fs, load := flags("user "+args[0], stderr)
	name := fs.String("login", "", "`name` to log in with")
	role := fs.String("role", string(login.Agent), "agent, supervisor, engineer or admin")
	full := fs.String("name", "", "the person's `name`")
	locale := fs.String("locale", "en", "en or zh-CN")
	zone := fs.String("timezone", "UTC", "time `zone`, as in Asia/Shanghai")
	stdin := fs.Bool("password-stdin", false, "read the password from standard input")
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	if *name == "" {
		return errors.New("--login is missing: give the name to log in with")
	}
	c, err := load()
	if err != nil {
		return err
	}
	password, shown, err := choosePassword(*stdin)
	if err != nil {
		return err
	}
	return withDatabase(ctx, c, func(pool *pgxpool.Pool) error {
		if args[0] == "password" {
			err = login.SetPassword(ctx, pool, *name, password)
		} else {
			_, err = login.CreateAccount(ctx, pool, login.NewAccount{
				Login: *name, Name: *full, Password: password, Role: login.Role(*role), Locale: *locale, Timezone: *zone,
			})
		}
		if err != nil {
			return err
		}
		if err := auditCommand(ctx, pool, map[string]string{"add": "account.create", "password": "account.password"}[args[0]], "login:"+*name, nil); err != nil {
			return err
		}
		_, err := fmt.Fprintf(stdout, "log in as %s with %s\n", *name, shown)
		return err
	})
}

func choosePassword(stdin bool) (password, shown string, err error) {
	if !stdin {
		password = login.RandomPassword()
		return password, password, nil
	}
	raw, err := io.ReadAll(io.LimitReader(standardInput, 1024))
	if err != nil {
		return "", "", err
	}
	return strings.TrimRight(string(raw), "\r\n"), "the password given", nil
}
