package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

func (a *app) versionsCommand() *cobra.Command {
	var options chart.VersionOptions
	cmd := &cobra.Command{
		Use:   "versions REPOSITORY",
		Short: "List the versions of a chart, newest first",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := a.parse(args[0])
			if err != nil {
				return err
			}
			if ref.Object() != "" {
				return usagef("%s: a repository, without tag and digest", ref)
			}
			if options.Chart != "" && !options.Metadata {
				return usagef("--chart %s: it says whose metadata is meant, and goes with --metadata", options.Chart)
			}
			return a.versions(cmd.Context(), ref, options)
		},
	}
	cmd.Flags().StringVar(&options.Version, "version", "", "only those in this `range`")
	cmd.Flags().BoolVar(&options.Prereleases, "devel", false, "list pre-releases too")
	cmd.Flags().BoolVar(&options.Metadata, "metadata", false, "show what each version says of itself")
	cmd.Flags().StringVar(&options.Chart, "chart", "", "the chart's `name`, where tags name image indexes with several; with --metadata")
	return cmd
}

func (a *app) versions(ctx context.Context, ref registry.Reference, options chart.VersionOptions) error {
	client, err := a.chartClient(ref.Host)
	if err != nil {
		return err
	}
	all := []chart.Version{}
	for v, err := range client.Versions(ctx, ref, options) {
		if err != nil {
			return err
		}
		all = append(all, v)
	}
	if len(all) == 0 && options.Version != "" {
		return fmt.Errorf("%s: %w %q", ref, chart.ErrNoMatch, options.Version)
	}
	return a.print(all, func(w *tabwriter.Writer) {
		if options.Metadata {
			fmt.Fprintln(w, "VERSION\tAPP VERSION\tCREATED\tDESCRIPTION")
		}
		for _, v := range all {
			if !options.Metadata {
				fmt.Fprintln(w, v.Version)
				continue
			}
			fmt.Fprintln(w, strings.TrimRight(strings.Join(versionRow(v), "\t"), "\t"))
		}
	})
}

// versionRow is what the table shows of a version: what is wrong with it
// stands where its description would.
func versionRow(v chart.Version) []string {
	created := ""
	if !v.Created.IsZero() {
		created = v.Created.UTC().Format("2006-01-02")
	}
	if v.Err != nil {
		return []string{v.Version, "", created, "! " + cell(v.Err.Error(), 200)}
	}
	description := v.Metadata.Description
	if v.OwnVersion != "" {
		description = fmt.Sprintf("(is %s) %s", v.OwnVersion, description)
	}
	if v.Metadata.Deprecated {
		description = "(deprecated) " + description
	}
	return []string{v.Version, cell(v.Metadata.AppVersion, 20), created, cell(description, 60)}
}

// cell makes a stranger's text fit a column: one line of at most that many
// characters, and nothing that a terminal would act on.
func cell(s string, most int) string {
	clean := []rune(strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " "))
	if len(clean) > most {
		return string(clean[:most-1]) + "…"
	}
	return string(clean)
}
