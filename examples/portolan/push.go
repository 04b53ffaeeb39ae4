package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

func (a *app) pushCommand() *cobra.Command {
	var push chart.PushOptions
	var pack chart.PackOptions
	cmd := &cobra.Command{
		Use:   "push [CHART_OR_DIR] REFERENCE",
		Short: "Push a chart: an archive, a directory, or what was packaged under the reference",
		Args:  args(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := a.parse(args[len(args)-1])
			if err != nil {
				return err
			}
			if err := a.needsNetwork("push"); err != nil {
				return err
			}
			if _, err := time.Parse(time.RFC3339, pack.Created); pack.Created != "" && err != nil {
				return usagef("--created %s: want a time as in 2006-01-02T15:04:05Z", pack.Created)
			}
			for _, tag := range push.Tags {
				if !registry.ValidTag(registry.TagOfVersion(tag)) {
					return usagef("--tag %s: no tag", tag)
				}
			}
			from := ""
			if len(args) == 2 {
				if from = args[0]; from == "" {
					return usagef("push: the name of the chart or directory is empty")
				}
			}
			return a.push(cmd.Context(), from, ref, pack, push)
		},
	}
	cmd.Flags().BoolVar(&push.Force, "force", false, "replace what stands there")
	cmd.Flags().StringArrayVar(&push.Tags, "tag", nil, "also set this tag; may be given several times")
	cmd.Flags().StringVar(&pack.Created, "created", "", "`time` of creation to record in the manifest, as in 2006-01-02T15:04:05Z (default: none, so that the same chart has the same digest)")
	return cmd
}

func (a *app) push(ctx context.Context, from string, ref registry.Reference, pack chart.PackOptions, options chart.PushOptions) error {
	client, err := a.chartClient(ref.Host)
	if err != nil {
		return err
	}
	packed, err := open(ctx, client, from, ref, pack)
	if err != nil {
		return err
	}
	defer packed.Close()
	pushed, err := client.Push(ctx, packed, ref, options)
	if pushed != nil && err != nil {
		a.note("note: %s is pushed, not all of its tags are set", pushed.Reference)
	}
	if err != nil {
		return err
	}
	if from == "" {
		if err := client.Release(ctx, ref); err != nil {
			a.logger().Warn("the packed chart is still in the cache", "error", err)
		}
	}
	a.warnName(packed, ref)
	r := result{Reference: pushed.Reference, Digest: pushed.Manifest.Digest, Size: packed.Layer.Size,
		Name: packed.Metadata.Name, Version: packed.Metadata.Version, Tag: pushed.Reference.Tag, Tags: pushed.Tags,
		Exists: &pushed.Exists, Sent: &pushed.Sent}
	return a.print(r, func(w *tabwriter.Writer) {
		if pushed.Exists {
			fmt.Fprintf(w, "%s exists\n", pushed.Reference)
		} else {
			fmt.Fprintf(w, "%s pushed, %s\n", pushed.Reference, size(pushed.Sent))
		}
		for _, tag := range pushed.Tags {
			fmt.Fprintf(w, "%s set\n", pushed.Reference.WithTag(tag))
		}
	})
}

// open packs what stands at from, or opens what was packaged under ref.
func open(ctx context.Context, client *chart.Client, from string, ref registry.Reference, options chart.PackOptions) (*chart.Packed, error) {
	if from == "" {
		if options.Created != "" {
			return nil, usagef("--created is for a chart that is packed now; %s was before", ref)
		}
		return client.Kept(ctx, ref)
	}
	info, err := os.Stat(from)
	if err != nil {
		return nil, chartAt(err)
	}
	if info.IsDir() {
		if options.Time, err = sourceDate(); err != nil {
			return nil, err
		}
	}
	return chart.Pack(ctx, from, &options)
}
