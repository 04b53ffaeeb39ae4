package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/auth"
)

func (a *app) logoutCommand() *cobra.Command {
	var store string
	cmd := &cobra.Command{
		Use:   "logout HOST",
		Short: "Forget the credentials for a registry",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.logout(cmd.Context(), args[0], store)
		},
	}
	registerStore(cmd.Flags(), &store)
	return cmd
}

func (a *app) logout(ctx context.Context, host, in string) error {
	resource, err := auth.ParseResource(host)
	if err != nil {
		return usageError{err}
	}
	store, err := a.credentialStore(in)
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
	r := struct {
		Host      string   `json:"host"`
		Removed   int      `json:"removed"`
		Remaining []string `json:"remaining,omitempty"`
	}{Host: resource.String(), Removed: len(done.Removed)}
	for _, origin := range done.Remaining {
		a.note("warning: %s still has credentials for %s", origin, resource)
		r.Remaining = append(r.Remaining, origin.String())
	}
	return a.print(r, func(w *tabwriter.Writer) {
		if r.Removed == 0 {
			fmt.Fprintf(w, "was not logged in to %s\n", r.Host)
		} else {
			fmt.Fprintf(w, "logged out of %s\n", r.Host)
		}
	})
}
