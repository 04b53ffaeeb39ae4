package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// parts are what show can print of a chart, in the order of "all".
var parts = []string{"chart", "values", "schema", "readme", "crds"}

func (a *app) showCommand() *cobra.Command {
	var options chart.PullOptions
	words := append(slices.Clone(parts), "all")
	cmd := &cobra.Command{
		Use:       "show " + strings.Join(words, "|") + " REFERENCE",
		Short:     "Print a chart's metadata, values, schema, README or CRDs",
		Args:      args(cobra.ExactArgs(2)),
		ValidArgs: words,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(words, args[0]) {
				return usagef("show %s: want one of %s", args[0], strings.Join(words, ", "))
			}
			ref, err := parse(args[1])
			if err != nil {
				return err
			}
			return a.show(cmd.Context(), args[0], ref, options)
		},
	}
	selectorFlags(cmd, &options.Selector)
	a.lenientFlag(cmd)
	a.verifyFlags(cmd)
	return cmd
}

// contents are what was found of a chart.
type contents struct {
	Chart  string     `json:"chart,omitempty"`
	Values string     `json:"values,omitempty"`
	Schema string     `json:"schema,omitempty"`
	Readme string     `json:"readme,omitempty"`
	CRDs   []document `json:"crds,omitempty"`
}

type document struct {
	Name    string `json:"name"`
	Content string `json:"content"`
}

func (a *app) show(ctx context.Context, what string, ref registry.Reference, options chart.PullOptions) error {
	pulled, err := a.fetch(ctx, ref, options)
	if err != nil {
		return err
	}
	defer pulled.Close()
	// Read to the end: what is shown is what an installation would get.
	if _, err := pulled.Archive.Metadata(); err != nil {
		return fmt.Errorf("%s: %w", pulled.Origin.Resolved, err)
	}
	var found contents
	for _, part := range parts {
		if what != "all" && what != part {
			continue
		}
		err := found.read(ctx, pulled.Archive, part)
		if err != nil && (what != "all" || !errors.Is(err, fs.ErrNotExist)) {
			return fmt.Errorf("%s: %w", pulled.Origin.Resolved, err)
		}
	}
	return a.print(found, func(*tabwriter.Writer) { found.write(a.out) })
}

func (c *contents) read(ctx context.Context, archive *chart.Archive, part string) error {
	var data []byte
	var err error
	switch part {
	case "chart":
		data, err = archive.ReadFile("Chart.yaml")
		c.Chart = string(data)
	case "values":
		data, err = archive.ReadFile("values.yaml")
		c.Values = string(data)
	case "schema":
		data, err = archive.ReadFile("values.schema.json")
		c.Schema = string(data)
	case "readme":
		_, data, err = archive.Readme()
		c.Readme = string(data)
	case "crds":
		for e, err := range archive.CRDs(ctx) {
			if err != nil {
				return err
			}
			data, err := io.ReadAll(e)
			if err != nil {
				return err
			}
			c.CRDs = append(c.CRDs, document{e.Name, string(data)})
		}
	}
	return err
}

// write prints one part verbatim, and several with YAML's separator between
// them, so that CRDs can be piped on.
func (c *contents) write(w io.Writer) {
	texts := []string{c.Chart, c.Values, c.Schema, c.Readme}
	for _, crd := range c.CRDs {
		texts = append(texts, strings.TrimPrefix(crd.Content, "---\n"))
	}
	texts = slices.DeleteFunc(texts, func(text string) bool { return text == "" })
	for i, text := range texts {
		fmt.Fprint(w, text)
		if i == len(texts)-1 {
			break
		}
		if !strings.HasSuffix(text, "\n") {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, "---")
	}
}
