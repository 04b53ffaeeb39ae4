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
	"sigs.k8s.io/yaml"

	"github.com/portolan-oci/portolan/chart"
)

// parts are what show can print of a chart, in the order of "all".
var parts = []string{"chart", "values", "schema", "readme", "crds"}

func (a *app) showCommand() *cobra.Command {
	var options chart.PullOptions
	var unverified bool
	words := append(slices.Clone(parts), "all")
	cmd := &cobra.Command{
		Use:   "show " + strings.Join(words, "|") + " CHART",
		Short: "Print a chart's metadata, values, schema, README or CRDs",
		Long: `Show prints files of a chart as they are. CHART is a reference, a .tgz file or a chart directory; a
path of this machine begins with /, ./ or ../, ends in .tgz, or is there and no reference.
The archive is read to its end first: what is shown is what an installation would get.`,
		Args:      args(cobra.ExactArgs(2)),
		ValidArgs: words,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(words, args[0]) {
				return usagef("show %s: want one of %s", args[0], strings.Join(words, ", "))
			}
			if unverified && args[0] != "chart" {
				return usagef("--unverified is for show chart")
			}
			from, err := a.parseSource(args[1])
			if err != nil {
				return err
			}
			shown, err := a.toShow(cmd.Context(), from, options)
			if err != nil {
				return err
			}
			defer shown.close()
			if unverified {
				err = a.showUnverified(shown.archive)
			} else {
				err = a.show(cmd.Context(), args[0], shown.archive)
			}
			if err != nil && shown.name != "" {
				err = fmt.Errorf("%s: %w", shown.name, err)
			}
			return err
		},
	}
	selectorFlags(cmd, &options.Selector)
	cmd.Flags().BoolVar(&unverified, "unverified", false, "of chart: read no further than the first Chart.yaml, which nothing vouches for")
	a.lenientFlag(cmd)
	a.verifyFlags(cmd)
	return cmd
}

// showUnverified prints what an archive begins with, for a look at a large one.
func (a *app) showUnverified(archive *chart.Archive) error {
	m, err := archive.UnverifiedMetadata()
	if err != nil {
		return err
	}
	a.note("note: unverified: the rest of the archive was not read, and may say otherwise")
	text, err := yaml.Marshal(m)
	if err != nil {
		return err
	}
	return a.print(contents{Chart: string(text), Unverified: true}, func(*tabwriter.Writer) { a.out.Write(text) })
}

// contents are what was found of a chart.
type contents struct {
	Chart  string     `json:"chart,omitempty"`
	Values string     `json:"values,omitempty"`
	Schema string     `json:"schema,omitempty"`
	Readme string     `json:"readme,omitempty"`
	CRDs   []document `json:"crds,omitempty"`
	// Unverified tells that Chart is what the archive begins with.
	Unverified bool `json:"unverified,omitempty"`
}

type document struct {
	Name    string `json:"name"`
	Content string `json:"content"`
}

func (a *app) show(ctx context.Context, what string, archive *chart.Archive) error {
	if _, err := archive.Metadata(); err != nil {
		return err
	}
	var found contents
	for _, part := range parts {
		if what != "all" && what != part {
			continue
		}
		err := found.read(ctx, archive, part)
		if err != nil && (what != "all" || !errors.Is(err, fs.ErrNotExist)) {
			return err
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
