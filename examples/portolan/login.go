package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/auth"
)

func (a *app) loginCommand() *cobra.Command {
	var flags credentialFlags
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

func (a *app) login(ctx context.Context, host string, flags credentialFlags) error {
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
	store, err := a.credentialStore()
	if err != nil {
		return err
	}
	credential, err := a.credential(ctx, flags)
	if err != nil {
		return err
	}
	done, err := client.Login(ctx, store, host, credential)
	if err != nil {
		return err
	}
	for _, warning := range done.Warnings {
		a.note("warning: %s", warning)
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

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logout HOST",
		Short: "Forget the credentials for a registry",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.logout(cmd.Context(), args[0])
		},
	}
}

func (a *app) logout(ctx context.Context, host string) error {
	resource, err := auth.ParseResource(host)
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
	done, err := auth.Logout(ctx, resource, store, others)
	if err != nil {
		return err
	}
	for _, origin := range done.Remaining {
		a.note("warning: %s still has credentials for %s", origin, resource)
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
}
