package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/layout"
)

func (a *app) cacheImportCommand() *cobra.Command {
	var into string
	cmd := &cobra.Command{
		Use:   "import PATH",
		Short: "Take the charts of an OCI layout into the cache, to be used with --offline",
		Long: `Import takes what an OCI image layout holds, a directory or a tar file, into the cache: all of it
is verified, and kept until cache release says otherwise. With --offline it can then be used as if it
had been pulled.

What portolan cache export wrote says which references it holds. The layouts of other tools often have
plain tags: --into says of which repository these are. Whoever imports a layout vouches for its names.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			var options cache.ImportOptions
			if into != "" {
				var err error
				if options.Into, err = a.parse(into); err != nil {
					return err
				}
				if options.Into.Object() != "" {
					return usagef("--into %s: the tags are those of the layout; name the repository alone", into)
				}
			}
			return a.cacheImport(cmd.Context(), args[0], options)
		},
	}
	cmd.Flags().StringVar(&into, "into", "", "the `repository` HOST/REPOSITORY of plain tags, and of what has no name")
	return cmd
}

func (a *app) cacheImport(ctx context.Context, path string, options cache.ImportOptions) error {
	store, err := a.cacheStore()
	if err != nil {
		return err
	}
	var from interface {
		cache.ImportSource
		io.Closer
	}
	if isTar(path) {
		from, err = layout.OpenTar(path)
	} else {
		from, err = layout.Open(path)
	}
	if err != nil {
		return chartAt(err)
	}
	defer from.Close()
	imported, err := store.Import(ctx, from, options)
	if unnamed, ok := errors.AsType[*registry.Error](err); ok && unnamed.Hint != "" && errors.Is(err, registry.ErrInvalidReference) {
		return fmt.Errorf("%w (--into)", err)
	}
	if err != nil {
		return err
	}
	r := carriage{Path: path, Charts: []carried{}, Contents: imported.Contents, Size: imported.Size, Written: imported.Written, Skipped: digests(imported.Skipped)}
	for _, root := range imported.Roots {
		r.Charts = append(r.Charts, carried{Reference: root.Reference, Digest: root.Descriptor.Digest, Was: root.Was, Referrers: digests(root.Referrers)})
	}
	for _, d := range r.Skipped {
		a.note("note: %s has no name in the layout, and was left out (--into)", d)
	}
	return a.printCarriage(r, "from")
}

func (a *app) cacheReleaseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "release REFERENCE...",
		Short: "Let the cache forget, some day, what was imported",
		Args:  args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.cacheStore()
			if err != nil {
				return err
			}
			released, missing := []registry.Reference{}, []string{}
			for _, text := range args {
				ref, err := a.parse(text)
				if err != nil {
					return err
				}
				was, err := store.Release(cmd.Context(), ref)
				if err != nil {
					return err
				}
				if !was {
					missing = append(missing, ref.String())
					continue
				}
				released = append(released, ref)
			}
			if err := a.print(released, func(w *tabwriter.Writer) {
				for _, ref := range released {
					fmt.Fprintln(w, ref)
				}
			}); err != nil || len(missing) == 0 {
				return err
			}
			return fmt.Errorf("%w: nothing was imported as %s", registry.ErrNotFound, strings.Join(missing, ", "))
		},
	}
}
