package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

func (a *app) showCommand() *cobra.Command {
	var options chart.PullOptions
	cmd := &cobra.Command{
		Use:       "show chart|values|readme|all REFERENCE",
		Short:     "Print a chart's metadata, values or README",
		Args:      args(cobra.ExactArgs(2)),
		ValidArgs: []string{"chart", "values", "readme", "all"},
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := parse(args[1])
			if err != nil {
				return err
			}
			return a.show(cmd.Context(), args[0], ref, options)
		},
	}
	selectorFlags(cmd, &options.Selector)
	a.lenientFlag(cmd)
	return cmd
}

// shown are the files of a chart that show prints, by the word for each.
var shown = []struct{ word, file string }{
	{"chart", "Chart.yaml"}, {"values", "values.yaml"}, {"readme", "README.md"},
}

func (a *app) show(ctx context.Context, what string, ref registry.Reference, options chart.PullOptions) error {
	known := what == "all"
	for _, s := range shown {
		known = known || s.word == what
	}
	if !known {
		return usagef("show %s: want chart, values, readme or all", what)
	}
	pulled, err := a.fetch(ctx, ref, options)
	if err != nil {
		return err
	}
	defer pulled.Close()
	if _, err := pulled.Archive.Metadata(); err != nil {
		return fmt.Errorf("%s: %w", pulled.Origin.Resolved, err)
	}
	found := map[string]string{}
	for _, s := range shown {
		if what != "all" && what != s.word {
			continue
		}
		content, err := pulled.Archive.ReadFile(s.file)
		switch {
		case err == nil:
			found[s.word] = string(content)
		case what != "all" || !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%s: %w", pulled.Origin.Resolved, err)
		}
	}
	return a.print(found, func(w *tabwriter.Writer) {
		first := true
		for _, s := range shown {
			content, ok := found[s.word]
			if !ok {
				continue
			}
			if !first {
				fmt.Fprintln(a.out, "---")
			}
			first = false
			fmt.Fprint(a.out, content)
		}
	})
}
