package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

func (a *app) copyCommand() *cobra.Command {
	var options copyOptions
	cmd := &cobra.Command{
		Use:   "copy SOURCE DESTINATION",
		Short: "Copy a chart between registries, OCI layouts and archives, or a chart repository into a registry",
		Long: `Copy sends a chart from one place to another. Its digest stays what it is, what is there is not
sent again, and within one registry no blob is sent at all.

SOURCE is one of
  [oci://]HOST/REPOSITORY[:TAG][@DIGEST]  a registry
  layout:PATH[:TAG][@DIGEST]              an OCI layout: a directory, or a tar file
  FILE.tgz, or a directory with Chart.yaml
  https://…, http://…, file://…           a chart repository (index.yaml): all of its charts
Without tag and digest it is the newest stable version, or the one that --version chooses; of a
layout that holds one manifest, that one.

DESTINATION is one of
  [oci://]HOST/REPOSITORY[:TAG]           a registry; without TAG the source's
  [oci://]HOST/NAMESPACE/                 the same, with the last element of the source's repository after
                                          it, or the chart's name where that is no registry's or --chart is given
  layout:PATH[:TAG]                       a directory, or a tar file if PATH ends in .tar; what it holds stays
  FILE.tgz, or a directory for NAME-VERSION.tgz
Of a chart repository, it is the namespace in a registry under which each chart has its repository.
What is there already is not moved again: an interrupted copy goes on where it was.

A path of this machine begins with /, ./ or ../, ends in .tgz, or is there and no reference.`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch scheme, _, ok := strings.Cut(args[0], "://"); {
			case isClassic(args[0]):
				classic, err := options.forRepository()
				if err != nil {
					return err
				}
				return a.copyClassic(cmd.Context(), args[0], args[1], classic)
			case ok && scheme != "oci":
				return usagef("copy %s: %s:// is no source", args[0], scheme)
			}
			one, err := options.forChart()
			if err != nil {
				return err
			}
			return a.copy(cmd.Context(), args[0], args[1], one)
		},
	}
	options.register(cmd.Flags())
	a.verifyFlags(cmd)
	return cmd
}

// copyResult is what copy prints with -o json.
type copyResult struct {
	result
	Source    registry.Reference `json:"source,omitzero"`
	Mounted   int64              `json:"mounted"` // bytes
	Existed   int64              `json:"existed"` // bytes
	Referrers []digest.Digest    `json:"referrers,omitempty"`
}

func (a *app) copy(ctx context.Context, source, destination string, options chart.CopyOptions) error {
	from, err := a.parseSource(source)
	if err != nil {
		return err
	}
	to, err := a.parseDestination(destination)
	if err != nil {
		return err
	}
	if options.Referrers && (from.path != "" || to.path != "") {
		return usagef("--referrers: nothing refers to a chart in an archive or a directory; a registry or a layout keeps what does")
	}
	hosts := from.hosts()
	if more := to.hosts(); len(hosts) == 0 || len(more) > 0 && more[0] != hosts[0] {
		hosts = append(hosts, more...)
	}
	if len(hosts) > 0 {
		if err := a.needsNetwork("copy to or from a registry"); err != nil {
			return err
		}
	}
	client, err := a.chartClient(hosts...)
	if err != nil {
		return err
	}
	opened, err := from.open(ctx, client, options.Selector)
	if err != nil {
		return err
	}
	defer opened.close()
	target, commit, err := to.openTarget(ctx, client, opened)
	if err != nil {
		return err
	}
	defer commit(ctx, false)
	copied, err := client.Copy(ctx, opened.CopySource, target, options)
	if err == nil {
		err = commit(ctx, true)
	}
	if err != nil {
		return err
	}
	return a.printCopy(copied, to)
}

func (a *app) printCopy(copied *chart.Copied, to end) error {
	r := copyResult{
		result: result{Digest: copied.Manifest.Digest, Tag: copied.Reference.Tag, Path: copied.Path, Exists: &copied.Exists, Sent: &copied.Sent},
		Source: copied.Source, Mounted: copied.Mounted, Existed: copied.Existed,
	}
	if copied.Source.Host == "" { // of a layout or an archive, which no reference names
		r.Source = registry.Reference{}
	}
	where := copied.Path
	switch {
	case to.layout != "":
		r.Path = to.layout
		where = fmt.Sprintf("layout:%s:%s@%s", to.layout, copied.Reference.Tag, copied.Manifest.Digest)
	case to.path == "":
		r.Reference = copied.Reference
		where = copied.Reference.String()
	}
	for _, d := range copied.Referrers {
		r.Referrers = append(r.Referrers, d.Digest)
	}
	return a.print(r, func(w *tabwriter.Writer) {
		line := where + " copied"
		if copied.Exists {
			line = where + " exists"
		}
		if copied.Sent > 0 || !copied.Exists && copied.Mounted == 0 {
			line += ", " + size(copied.Sent) + " sent"
		}
		if copied.Mounted > 0 {
			line += ", " + size(copied.Mounted) + " mounted"
		}
		if n := len(copied.Referrers); n > 0 {
			line += fmt.Sprintf(", with %d that refer to it", n)
		}
		fmt.Fprintln(w, line)
	})
}
