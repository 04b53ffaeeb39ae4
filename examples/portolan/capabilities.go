package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/registry"
)

func (a *app) capabilitiesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "capabilities REFERENCE",
		Short: "Show what a registry can do, for you",
		Long: `Show what a registry can do, for the identity that you are logged in with.

REFERENCE is a host, which is asked for what holds of all of it; a repository,
which is asked for its referrers and its pages of tags too; or a tag or digest
in one, of which the ETag is looked at as well. That takes three, five or
seven requests. Nothing is written: what only a write or a large download can
show, such as mounting or immutable tags, is unknown.

Each fact has its source: "probe" was asked for, "learned" was shown by the
answer to something else, "known" is how this kind of registry behaves. A fact
that you may not see (HTTP 401 or 403) is unknown; it is never taken for
something that the registry does not do.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.capabilities(cmd.Context(), args[0])
		},
	}
}

func (a *app) capabilities(ctx context.Context, text string) error {
	if err := a.needsNetwork("capabilities"); err != nil {
		return err
	}
	ref, err := a.parseHostOrReference(text)
	if err != nil {
		return err
	}
	client, err := a.registryClient(ref.Host)
	if err != nil {
		return err
	}
	c, err := client.Capabilities(ctx, ref)
	if err != nil {
		return err
	}
	return a.print(c, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "FACT\tVALUE\tSOURCE\tREQUESTS")
		for _, row := range c.Rows() {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", row.Name, cell(row.Value, 100), row.Source, row.Requests)
		}
	})
}

// parseHostOrReference reads a host alone, or a reference, short names included.
func (a *app) parseHostOrReference(text string) (registry.Reference, error) {
	host := strings.TrimSuffix(strings.TrimPrefix(text, "oci://"), "/")
	if ref, err := registry.ParseReference(host + "/x"); err == nil && ref.Repository == "x" {
		return registry.Reference{Host: ref.Host}, nil
	}
	return a.parse(text)
}
