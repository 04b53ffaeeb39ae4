package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/portolan-oci/portolan/auth"
)

// maxSecret bounds what is read as a secret: tokens have a few kilobytes.
const maxSecret = 64 << 10

type loginFlags struct {
	user                              string
	passwordStdin, identityTokenStdin bool
}

func (a *app) loginCommand() *cobra.Command {
	var flags loginFlags
	cmd := &cobra.Command{
		Use:   "login HOST",
		Short: "Check credentials with a registry and keep them where docker does",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.login(cmd.Context(), args[0], flags)
		},
	}
	cmd.Flags().StringVarP(&flags.user, "username", "u", "", "user `name`")
	cmd.Flags().BoolVar(&flags.passwordStdin, "password-stdin", false, "read the password from standard input")
	cmd.Flags().BoolVar(&flags.identityTokenStdin, "identity-token-stdin", false, "read an identity token from standard input")
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "identity-token-stdin")
	return cmd
}

func (a *app) login(ctx context.Context, host string, flags loginFlags) error {
	resource, err := auth.ParseResource(host)
	if err != nil {
		return usageError{err}
	}
	credential, err := a.askCredential(flags)
	if err != nil {
		return err
	}
	client, err := a.registryClient(resource.Host)
	if err != nil {
		return err
	}
	store, err := a.credentialStore()
	if err != nil {
		return err
	}
	done, err := client.Login(ctx, store, host, credential)
	if err != nil {
		return err
	}
	for _, warning := range done.Warnings {
		fmt.Fprintf(a.err, "portolan: warning: %s\n", warning)
	}
	r := struct {
		Host     string `json:"host"`
		Verified bool   `json:"verified"`
		Stored   string `json:"stored"`
	}{done.Resource.String(), done.Verified, done.Origin.String()}
	return a.print(r, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "logged in to %s, kept in %s\n", r.Host, r.Stored)
	})
}

// askCredential reads what the flags say, or asks on a terminal.
func (a *app) askCredential(flags loginFlags) (auth.Credential, error) {
	if flags.identityTokenStdin {
		token, err := a.readSecret()
		return auth.Credential{Username: flags.user, IdentityToken: token}, err
	}
	if flags.passwordStdin {
		password, err := a.readSecret()
		return auth.Credential{Username: flags.user, Password: password}, err
	}
	in, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return auth.Credential{}, usagef("login: no terminal to ask for the password on: use --password-stdin")
	}
	if flags.user == "" {
		fmt.Fprint(a.err, "Username: ")
		line, err := bufio.NewReader(in).ReadString('\n')
		if err != nil {
			return auth.Credential{}, err
		}
		flags.user = strings.TrimSpace(line)
	}
	fmt.Fprint(a.err, "Password: ")
	password, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(a.err)
	return auth.Credential{Username: flags.user, Password: auth.NewSecret(string(password))}, err
}

// readSecret reads standard input to its end and takes one line end off, as
// docker does.
func (a *app) readSecret() (auth.Secret, error) {
	text, err := io.ReadAll(io.LimitReader(a.in, maxSecret+1))
	if err != nil {
		return auth.Secret{}, err
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	switch {
	case secret == "":
		return auth.Secret{}, usagef("login: standard input is empty")
	case len(text) > maxSecret:
		return auth.Secret{}, errors.New("login: the secret has more than 64 KiB")
	}
	return auth.NewSecret(secret), nil
}

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logout HOST",
		Short: "Forget the credentials for a registry",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			resource, err := auth.ParseResource(args[0])
			if err != nil {
				return usageError{err}
			}
			store, err := a.credentialStore()
			if err != nil {
				return err
			}
			others, err := a.credentials()
			if err != nil {
				return err
			}
			done, err := auth.Logout(cmd.Context(), resource, store, others)
			if err != nil {
				return err
			}
			for _, origin := range done.Remaining {
				fmt.Fprintf(a.err, "portolan: warning: %s still has credentials for %s\n", origin, resource)
			}
			r := struct {
				Host    string `json:"host"`
				Removed int    `json:"removed"`
			}{resource.String(), len(done.Removed)}
			return a.print(r, func(w *tabwriter.Writer) {
				if r.Removed == 0 {
					fmt.Fprintf(w, "was not logged in to %s\n", r.Host)
				} else {
					fmt.Fprintf(w, "logged out of %s\n", r.Host)
				}
			})
		},
	}
}
