package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// selectorFlags adds the flags that choose a version.
func selectorFlags(cmd *cobra.Command, s *chart.Selector) {
	cmd.Flags().StringVar(&s.Version, "version", "", "a version, or a `range` as in ^1.2 (default: the newest stable version)")
	cmd.Flags().BoolVar(&s.Prereleases, "devel", false, "consider pre-releases too")
	cmd.Flags().StringVar(&s.Chart, "chart", "", "the chart's `name`, where a tag names an image index with several")
}

func (a *app) pullCommand() *cobra.Command {
	var to placing
	var options chart.PullOptions
	cmd := &cobra.Command{
		Use:   "pull REFERENCE",
		Short: "Pull a chart into a file or a directory",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := a.parse(args[0])
			if err != nil {
				return err
			}
			if to.untar && to.prov {
				return usagef("--untar leaves no archive for --prov to be beside: use one of them")
			}
			return a.pull(cmd.Context(), ref, to, options)
		},
	}
	cmd.Flags().StringVarP(&to.destination, "destination", "d", ".", "`directory` for the file")
	cmd.Flags().BoolVar(&to.untar, "untar", false, "unpack the chart into a directory of its name, which must not be there yet")
	cmd.Flags().BoolVar(&options.CheckTag, "check-tag", false, "fail if the tag no longer names the digest beside it")
	cmd.Flags().BoolVar(&to.prov, "prov", false, "write the provenance file too, beside the chart")
	selectorFlags(cmd, &options.Selector)
	a.lenientFlag(cmd)
	a.verifyFlags(cmd)
	return cmd
}

func (a *app) lenientFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.lenient, "lenient", false, "accept archives that only Helm takes, with links or with two files of one name")
}

// fetch pulls a chart. The caller closes it.
func (a *app) fetch(ctx context.Context, ref registry.Reference, options chart.PullOptions) (*chart.Pulled, error) {
	client, err := a.chartClient(ref.Host)
	if err != nil {
		return nil, err
	}
	return client.Pull(ctx, ref, options)
}

func (a *app) pull(ctx context.Context, ref registry.Reference, to placing, options chart.PullOptions) error {
	pulled, err := a.fetch(ctx, ref, options)
	if err != nil {
		return err
	}
	defer pulled.Close()
	if err := a.check(pulled); err != nil {
		return err
	}
	path, provPath, err := to.place(ctx, pulled)
	if err != nil {
		return err
	}
	r := result{Prov: provPath, Verified: pulled.Origin.VerifiedBy, Reference: pulled.Origin.Resolved, Digest: pulled.Manifest.Digest, Size: pulled.Layer.Size,
		Version: pulled.Version, Tag: pulled.Origin.Resolved.Tag, Path: path, How: pulled.Origin.How, Origin: pulled.Origin.From, TagMirror: pulled.Origin.TagMirror,
		Confirmed: pulled.Origin.Confirmed, Listed: pulled.Origin.Listed, Moved: pulled.Origin.Moved}
	if pulled.Origin.Mirror {
		r.Mirror = pulled.Origin.Host
	}
	return a.print(r, func(w *tabwriter.Writer) { fmt.Fprintln(w, path) })
}

// check reads the archive to its end before it is handed out: its digest says
// what it is, not that it is good.
func (a *app) check(pulled *chart.Pulled) error {
	m, err := pulled.Archive.Metadata()
	if err != nil {
		return fmt.Errorf("%s: %w", pulled.Origin.Resolved, err)
	}
	if pulled.Version != "" && registry.TagOfVersion(m.Version) != registry.TagOfVersion(pulled.Version) {
		a.note("note: %s is %s %s by its own Chart.yaml", pulled.Origin.Resolved, m.Name, m.Version)
	}
	return nil
}

func (a *app) resolveCommand() *cobra.Command {
	var selector chart.Selector
	cmd := &cobra.Command{
		Use:   "resolve REFERENCE",
		Short: "Print what a reference names now, pinned by digest",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := a.parse(args[0])
			if err != nil {
				return err
			}
			client, err := a.chartClient(ref.Host)
			if err != nil {
				return err
			}
			resolved, err := client.Resolve(cmd.Context(), ref, selector)
			if err != nil {
				return err
			}
			r := result{Reference: resolved.Reference, Digest: resolved.Manifest.Digest, Version: resolved.Version,
				Tag: resolved.Reference.Tag, How: resolved.How, Origin: resolved.From, TagMirror: resolved.TagMirror,
				Confirmed: resolved.Confirmed, Listed: resolved.Listed, Moved: resolved.Moved}
			return a.print(r, func(w *tabwriter.Writer) { fmt.Fprintln(w, resolved.Reference) })
		},
	}
	selectorFlags(cmd, &selector)
	return cmd
}
