package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/layout"
)

func (a *app) cacheExportCommand() *cobra.Command {
	var options chart.ExportOptions
	cmd := &cobra.Command{
		Use:   "export PATH [REFERENCE|CHARTDIR]...",
		Short: "Write charts into an OCI layout, to be carried to where no registry is in reach",
		Long: `Export writes charts with all that belongs to them into an OCI image layout: a directory, or a tar
file if PATH ends in .tar. What it holds stays. On the other side, portolan cache import takes it in,
and oras, crane, regctl and others read it too.

A REFERENCE without tag and digest is the newest stable version, or the one that --version chooses.
Of a CHARTDIR, a directory with Chart.yaml, the dependencies are exported, in the versions of its
lock. Without any, all that the cache holds is exported.

What the cache lacks is fetched first; with --offline, all that is missing is named and nothing is
written.`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.cacheExport(cmd.Context(), args[0], args[1:], options)
		},
	}
	cmd.Flags().BoolVar(&options.Referrers, "referrers", false, "take signatures, SBOMs and whatever else refers to the charts along")
	cmd.Flags().BoolVar(&options.Dependencies, "dependencies", false, "take what the charts declare as dependencies in registries along")
	cmd.Flags().StringVar(&options.Selector.Version, "version", "", "a version, or a `range` as in ^1.2, of references without tag (default: the newest stable version)")
	cmd.Flags().BoolVar(&options.Selector.Prereleases, "devel", false, "consider pre-releases too")
	return cmd
}

// carried is a line of cache export and cache import.
type carried struct {
	Reference registry.Reference `json:"reference"`
	Digest    digest.Digest      `json:"digest"`
	Origin    cache.Origin       `json:"origin,omitempty"` // of an export
	Was       digest.Digest      `json:"was,omitempty"`    // of an import: what the tag named before
	Referrers []digest.Digest    `json:"referrers,omitempty"`
}

// carriage is what cache export and cache import print with -o json.
type carriage struct {
	Path     string    `json:"path"`
	Charts   []carried `json:"charts"`
	Contents int       `json:"contents"` // manifests and blobs
	Size     int64     `json:"size"`     // their bytes
	Written  int64     `json:"written"`  // those that were not there
	// Left are dependencies that are in no registry, Skipped manifests without
	// a name.
	Left    []string        `json:"left,omitempty"`
	Skipped []digest.Digest `json:"skipped,omitempty"`
}

func (a *app) cacheExport(ctx context.Context, path string, what []string, options chart.ExportOptions) error {
	refs, hosts, err := a.exported(ctx, what, &options)
	if err != nil {
		return err
	}
	client, err := a.chartClient(hosts...)
	if err != nil {
		return err
	}
	to, commit, err := openLayout(ctx, path)
	if err != nil {
		return err
	}
	defer commit(ctx, false)
	exported, err := client.Export(ctx, to, refs, options)
	if err == nil {
		err = commit(ctx, true)
	}
	if err != nil {
		return err
	}
	r := carriage{Path: path, Charts: []carried{}, Contents: exported.Contents, Size: exported.Size, Written: exported.Written}
	for _, root := range exported.Roots {
		r.Charts = append(r.Charts, carried{Reference: root.Reference, Digest: root.Descriptor.Digest, Origin: root.Origin, Referrers: digests(root.Referrers)})
	}
	for _, dep := range exported.Left {
		r.Left = append(r.Left, fmt.Sprintf("%s %s from %s", dep.Name, dep.Version, dep.Repository))
		a.note("note: dependency %s is in no registry, and was left out", r.Left[len(r.Left)-1])
	}
	return a.printCarriage(r, "to")
}

// exported reads the arguments of cache export: references, and directories of
// charts. None are all that the cache holds.
func (a *app) exported(ctx context.Context, what []string, options *chart.ExportOptions) (refs []registry.Reference, hosts []string, err error) {
	for _, text := range what {
		if info, err := os.Stat(filepath.Join(text, "Chart.yaml")); err == nil && info.Mode().IsRegular() {
			options.Directories = append(options.Directories, text)
			continue
		}
		if looksLikePath(text) {
			return nil, nil, missingError{fmt.Errorf("%s: no Chart.yaml is there; name a directory of a chart, or a reference", text)}
		}
		ref, err := a.parse(text)
		if err != nil {
			return nil, nil, err
		}
		refs = append(refs, ref)
	}
	if len(what) == 0 {
		store, err := a.cacheStore()
		if err != nil {
			return nil, nil, err
		}
		for e, err := range store.Entries(ctx) {
			if err != nil {
				return nil, nil, err
			}
			refs = append(refs, e.Reference)
		}
		slices.SortFunc(refs, func(a, b registry.Reference) int { return strings.Compare(a.String(), b.String()) })
		if len(refs) == 0 {
			return nil, nil, &registry.Error{Op: "export", Kind: registry.ErrNotFound, Err: errors.New("the cache has no charts"), Hint: "name what to export"}
		}
	}
	seen := map[string]bool{}
	for _, ref := range refs {
		if !seen[ref.Host] {
			seen[ref.Host], hosts = true, append(hosts, ref.Host)
		}
	}
	return refs, hosts, nil
}

// openLayout opens a layout of either form for writing. commit puts what was
// written in place, or, for false, leaves it; it may be called again.
func openLayout(ctx context.Context, path string) (to cache.ExportTarget, commit func(ctx context.Context, done bool) error, err error) {
	if !isTar(path) {
		if isPacked(path) {
			return nil, nil, usagef("%s: a bundle is not compressed; write a .tar file, and compress that", path)
		}
		late := &lateDir{path: path}
		if _, err := os.Lstat(path); err == nil { // what is no layout is refused before anything is fetched
			if _, err := late.open(ctx); err != nil {
				return nil, nil, err
			}
		}
		return late, func(context.Context, bool) error { return late.close() }, nil
	}
	w, err := layout.CreateTar(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	return w, func(ctx context.Context, done bool) error {
		if done {
			return errors.Join(w.Commit(ctx), w.Close())
		}
		return w.Close()
	}, nil
}

func (a *app) printCarriage(r carriage, where string) error {
	return a.print(r, func(w *tabwriter.Writer) {
		for _, c := range r.Charts {
			name := c.Reference.String()
			if c.Reference.Digest == "" {
				name += "@" + c.Digest.String()
			}
			if n := len(c.Referrers); n > 0 {
				name += fmt.Sprintf(", with %d that refer to it", n)
			}
			if c.Was != "" {
				name += fmt.Sprintf(", was %s", c.Was)
			}
			fmt.Fprintln(w, name)
		}
		count := fmt.Sprintf("%d charts", len(r.Charts))
		if len(r.Charts) == 1 {
			count = "1 chart"
		}
		fmt.Fprintf(w, "%s %s %s, %s, %s written\n", count, where, r.Path, size(r.Size), size(r.Written))
	})
}

func digests(list []ocispec.Descriptor) []digest.Digest {
	var all []digest.Digest
	for _, desc := range list {
		all = append(all, desc.Digest)
	}
	return all
}
