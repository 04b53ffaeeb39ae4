package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

const loginHelp = `Check credentials with a registry and keep them where docker does.

HOST may have a path, for credentials of a part of it (--store helm or
containers), and https:// or oci:// before it.

  -u NAME                     asks for the password, or reads it (--password-stdin)
  --password-stdin without -u the secret is a token: it is tried as an identity
                              token, then as the password of --token-user
  --identity-token-stdin      an OAuth 2 refresh token, which the registry's token
                              server exchanges
  --registry-token-stdin      a ready bearer token, sent to the registry as it is
  --cert-file and --key-file  alone, where there is no terminal to ask on: the
                              certificate is checked, and nothing is stored
  --device                    somebody confirms in a browser, at an identity
                              provider. With -u its access token is kept as that
                              user's password; without, its refresh token, or else
                              its access token, as the identity token. Which of
                              them a registry takes, its documentation says.

Nothing is stored that the registry does not accept. With --explain nobody is
logged in: the table says which source has a credential for HOST, and why
others have none or are not used. The exit status is 4 where none answers.`

// loginFlags are those of login alone.
type loginFlags struct {
	credentialFlags
	device              deviceFlags
	store               string
	explain             bool
	tokenUser           string
	preferIdentityToken bool
}

func (a *app) loginCommand() *cobra.Command {
	var flags loginFlags
	cmd := &cobra.Command{
		Use:   "login HOST",
		Short: "Check credentials with a registry and keep them where docker does",
		Long:  loginHelp,
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("password") {
				return usagef("login: a password on the command line is seen by every process here: use --password-stdin")
			}
			if flags.explain {
				return a.explain(cmd.Context(), args[0])
			}
			return a.login(cmd.Context(), args[0], flags)
		},
	}
	set := cmd.Flags()
	set.StringVarP(&flags.user, "username", "u", "", "user `name`")
	set.BoolVar(&flags.passwordStdin, "password-stdin", false, "read the password from standard input")
	set.BoolVar(&flags.identityTokenStdin, "identity-token-stdin", false, "read an identity token from standard input")
	set.BoolVar(&flags.registryTokenStdin, "registry-token-stdin", false, "read a registry token from standard input")
	set.StringVar(&flags.tokenUser, "token-user", "", "user `name` with which the registry takes a token as a password")
	set.BoolVar(&flags.preferIdentityToken, "prefer-identity-token", false, "keep a refresh token of the registry in place of the password, if it gives one that it takes")
	set.BoolVar(&flags.explain, "explain", false, "print which source has a credential for HOST, and log nobody in")
	set.StringP("password", "p", "", "")
	_ = set.MarkHidden("password") // it is refused
	flags.device.register(set)
	registerStore(set, &flags.store)
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "identity-token-stdin", "registry-token-stdin", "device", "explain")
	return cmd
}

func (a *app) login(ctx context.Context, host string, flags loginFlags) error {
	if err := a.needsNetwork("login"); err != nil {
		return err
	}
	resource, err := auth.ParseResource(host)
	if err != nil {
		return usageError{err}
	}
	client, err := a.registryClient(resource.Host)
	if err != nil {
		return err
	}
	store, err := a.credentialStore(flags.store)
	if err != nil {
		return err
	}
	credential, err := a.loginCredential(ctx, client, host, flags)
	if err != nil {
		return err
	}
	done, err := client.LoginWith(ctx, store, host, credential, registry.LoginOptions{
		TokenUser: flags.tokenUser, PreferIdentityToken: flags.preferIdentityToken,
	})
	if err != nil {
		return err
	}
	return a.printLogin(done)
}

// loginCredential is what the flags say, what somebody confirms or types, or
// nothing where a client certificate speaks for itself.
func (a *app) loginCredential(ctx context.Context, client *registry.Client, host string, flags loginFlags) (auth.Credential, error) {
	if given, err := flags.device.check(); given || err != nil {
		if err != nil {
			return auth.Credential{}, err
		}
		return a.deviceCredential(ctx, flags)
	}
	if _, asks := a.terminal(); !asks && flags.user == "" && !flags.reads() && client.HasCertificate(host) {
		return auth.Credential{}, nil
	}
	return a.credential(ctx, flags.credentialFlags)
}

func (a *app) printLogin(done *auth.LoginResult) error {
	for _, warning := range done.Warnings {
		a.note("warning: %s", warning)
	}
	r := struct {
		Host     string `json:"host"`
		Verified bool   `json:"verified"`
		Kind     string `json:"kind"`
		Stored   string `json:"stored,omitempty"`
	}{done.Resource.String(), done.Verified, done.Kind, done.Origin.String()}
	return a.print(r, func(w *tabwriter.Writer) {
		switch {
		case r.Stored != "":
			fmt.Fprintf(w, "logged in to %s, kept in %s\n", r.Host, r.Stored)
		case r.Verified:
			fmt.Fprintf(w, "%s takes the client certificate, and nothing is stored\n", r.Host)
		default:
			fmt.Fprintf(w, "%s answers, and nothing is stored\n", r.Host)
		}
	})
}
