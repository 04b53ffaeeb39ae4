package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

func (a *app) capabilitiesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "capabilities [REFERENCE]",
		Short: "Show what a registry can do for you, or how you can be known to one",
		Long: `Show what a registry can do, for the identity that you are logged in with.

REFERENCE is a host, which is asked for what holds of all of it; a repository,
which is asked for its referrers and its pages of tags too; or a tag or digest
in one, of which the ETag is looked at as well. That takes three, five or
seven requests. Nothing is written: what only a write or a large download can
show, such as mounting or immutable tags, is unknown.

Each fact has its source: "probe" was asked for, "learned" was shown by the
answer to something else, "known" is how this kind of registry behaves. A fact
that you may not see (HTTP 401 or 403) is unknown; it is never taken for
something that the registry does not do.

Without REFERENCE it shows how this program can prove who you are: the schemes and
grants that it answers, where it looks for credentials, and the credential helpers
that are installed.`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.ownCapabilities()
			}
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

func (a *app) ownCapabilities() error {
	c := auth.Capabilities()
	c.Sources = append(allSources(), auth.SourceGitHub)
	return a.print(c, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "FACT\tVALUE")
		sources := make([]string, len(c.Sources))
		for i, s := range c.Sources {
			sources[i] = string(s)
		}
		for _, row := range []struct {
			name   string
			values []string
		}{
			{"schemes", c.Schemes}, {"grants", c.Grants}, {"credentials", c.Credentials},
			{"sources", sources}, {"stores", c.Stores}, {"helpers", c.Helpers},
		} {
			fmt.Fprintf(w, "%s\t%s\n", row.name, cell(cmp.Or(strings.Join(row.values, ", "), "none"), 100))
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
