package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

func (a *app) packageCommand() *cobra.Command {
	var destination string
	var options chart.PackageOptions
	var sign signFlags
	cmd := &cobra.Command{
		Use:   "package DIR [REFERENCE]",
		Short: "Package a chart directory, into a file or under its reference",
		Long: `Package writes <name>-<version>.tgz, the same bytes on every machine.
With a REFERENCE the chart is kept in the cache under that name instead, for push REFERENCE.
Entries carry the time of SOURCE_DATE_EPOCH if it is set.`,
		Args: args(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := os.Stat(args[0]); err != nil {
				return chartAt(err)
			}
			var err error
			if options.Time, err = sourceDate(); err != nil {
				return err
			}
			signer, err := a.signer(cmd.Context(), sign)
			if err != nil {
				return err
			}
			if len(args) == 2 {
				return a.packageUnder(cmd.Context(), args[0], args[1], chart.PackOptions{PackageOptions: options, Signer: signer})
			}
			return a.packageFile(cmd.Context(), args[0], destination, signer, options)
		},
	}
	cmd.Flags().StringVarP(&destination, "destination", "d", ".", "`directory` for the file")
	cmd.Flags().StringVar(&options.Version, "version", "", "set the chart's version")
	cmd.Flags().StringVar(&options.AppVersion, "app-version", "", "set the chart's appVersion")
	sign.register(cmd)
	return cmd
}

// sourceDate reads SOURCE_DATE_EPOCH (reproducible-builds.org).
func sourceDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, usagef("SOURCE_DATE_EPOCH %q: want seconds since 1970", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func (a *app) packageFile(ctx context.Context, dir, destination string, signer chart.Signer, options chart.PackageOptions) error {
	path, m, err := writePackage(ctx, dir, destination, signer, options)
	if err != nil {
		return err
	}
	packed, err := chart.Pack(ctx, path, nil)
	if err != nil {
		return err
	}
	defer packed.Close()
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	r := result{Path: path, Prov: provenanceOf(path, signer), Name: m.Name, Version: m.Version, Digest: packed.Manifest.Digest, Size: packed.Layer.Size}
	return a.print(r, func(w *tabwriter.Writer) { fmt.Fprintln(w, path) })
}

func (a *app) packageUnder(ctx context.Context, dir, name string, options chart.PackOptions) error {
	ref, err := a.parse(name)
	if err != nil {
		return err
	}
	client, err := a.chartClient(ref.Host)
	if err != nil {
		return err
	}
	packed, err := chart.Pack(ctx, dir, &options)
	if err != nil {
		return err
	}
	defer packed.Close()
	if ref, err = client.Keep(ctx, packed, ref); err != nil {
		return err
	}
	a.warnName(packed, ref)
	r := result{Reference: ref, Digest: packed.Manifest.Digest, Size: packed.Layer.Size,
		Name: packed.Metadata.Name, Version: packed.Metadata.Version, Tag: ref.Tag}
	return a.print(r, func(w *tabwriter.Writer) { fmt.Fprintln(w, ref) })
}

// warnName tells of a repository that is not named as the chart is. That is
// allowed, and mostly a chart name that was forgotten: helm push appends it.
func (a *app) warnName(packed *chart.Packed, ref registry.Reference) {
	name := packed.Metadata.Name
	if filepath.Base(ref.Repository) != name {
		a.note("note: the chart's name is %s, the repository is %s; if you meant %s/%s, say so in the reference", name, ref.Name(), ref.Name(), name)
	}
}
