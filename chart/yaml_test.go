package chart_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/internal/heap"
)

// yamlBound is by how much the heap may grow for YAML of any kind.
const yamlBound = 64 << 20

// bombs are texts of less than 50 KiB that stand for 100 MiB and more, or for
// no end.
func bombs() map[string]string {
	long := strings.Repeat("A", 30<<10)
	many := strings.Repeat(", *a", 4000)
	return map[string]string{
		"text":            "x: &a " + long + "\ny: [*a" + many + "]\n",
		"text in a place": "annotations:\n  a: &a " + long + "\ny: [*a" + many + "]\n",
		"keys":            "x: &a {? " + long + " : 1}\ny: [*a" + many + "]\n",
		"key by alias":    "x: &a " + long + "\ny: [{*a : 1}" + strings.Repeat(", {*a : 1}", 4000) + "]\n",
		"binary":          "x: &a !!binary " + base64.StdEncoding.EncodeToString([]byte(long)) + "\ny: [*a" + many + "]\n",
		"merged":          "x: &a {k: " + long + "}\ny: [{<<: *a}" + strings.Repeat(", {<<: *a}", 3900) + "]\n",
		"below a null":    "x: &a " + long + "\ny: !!null [*a" + many + "]\n",
		"key that is one": "x: &a " + long + "\n? [*a" + many + "]\n: 1\n",
		"by powers":       "a: &a " + long + "\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: [*d, *d, *d, *d]\n",
		"UTF-16":          utf16("x: &a " + long[:10<<10] + "\ny: [*a" + many + many + many + "]\n"),
	}
}

func utf16(s string) string {
	var b strings.Builder
	b.WriteString("\xff\xfe")
	for _, c := range []byte(s) {
		b.WriteByte(c)
		b.WriteByte(0)
	}
	return b.String()
}

func TestYAMLBomb(t *testing.T) {
	for name, text := range bombs() {
		t.Run(name, func(t *testing.T) {
			text := text
			if name != "UTF-16" {
				text = chartYAML + text
			}
			var err error
			if grown := heap.Growth(func() { _, err = chart.ParseMetadata([]byte(text)) }); grown > yamlBound {
				t.Errorf("%d bytes grew the heap by %d", len(text), grown)
			}
			if !errors.Is(err, chart.ErrInvalidMetadata) {
				t.Errorf("error = %v", err)
			}
			// What no reader takes is refused in its own words.
			if invalid := strings.Contains(text, "!!null") || strings.Contains(text, "? ["); !invalid && !errors.Is(err, chart.ErrTooLarge) {
				t.Errorf("error = %v, want ErrTooLarge", err)
			}
		})
	}
}

func TestYAMLThatHoldsItself(t *testing.T) {
	for _, text := range []string{"x: &a [*a]\n", "x: &a {b: *a}\n", "x: &a {<<: *a}\n", "x: &a [*a" + strings.Repeat(", *a", 4000) + "]\n"} {
		var err error
		if grown := heap.Growth(func() { _, err = chart.ParseMetadata([]byte(chartYAML + text)) }); grown > yamlBound {
			t.Errorf("%.40q grew the heap by %d", text, grown)
		}
		if !errors.Is(err, chart.ErrInvalidMetadata) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func TestYAMLBombInEachFile(t *testing.T) {
	bomb := bombs()["text"]
	documents := strings.Repeat("\n---\na: &a "+strings.Repeat("A", 2<<10)+"\nb: [*a"+strings.Repeat(", *a", 2000)+"]\n", 30)
	for name, files := range map[string]map[string]string{
		"Chart.yaml":        {"Chart.yaml": chartYAML + bomb},
		"requirements.yaml": {"Chart.yaml": chartYAML, "requirements.yaml": bomb},
		"values.yaml":       {"Chart.yaml": chartYAML, "values.yaml": bomb},
		"Chart.lock":        {"Chart.yaml": chartYAML, "Chart.lock": bomb},
		"requirements.lock": {"Chart.yaml": chartYAML, "requirements.lock": bomb},
		"documents":         {"Chart.yaml": chartYAML, "values.yaml": documents},
		"chart in charts/":  {"Chart.yaml": chartYAML, "charts/x/Chart.yaml": chartYAML + bomb},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, t.TempDir(), files)
			var err error
			grown := heap.Growth(func() { _, err = chart.Package(context.Background(), dir, io.Discard, nil) })
			if !errors.Is(err, chart.ErrTooLarge) || grown > yamlBound {
				t.Errorf("heap +%d, error = %v", grown, err)
			}
		})
	}
	for _, name := range []string{"Chart.yaml", "requirements.yaml"} {
		files := map[string]string{"Chart.yaml": chartYAML}
		files[name] += bomb
		entries := []entry{}
		for _, n := range []string{"Chart.yaml", "requirements.yaml"} {
			if files[n] != "" {
				entries = append(entries, file("pier/"+n, files[n]))
			}
		}
		a := archive(t, tgz(t, entries...), nil)
		if _, err := a.Metadata(); !errors.Is(err, chart.ErrTooLarge) {
			t.Errorf("%s in an archive: %v", name, err)
		}
	}
}

// TestYAMLWithAliases holds what charts do with anchors against the limit.
func TestYAMLWithAliases(t *testing.T) {
	var values bytes.Buffer
	values.WriteString("base: &base {image: {repository: registry.example.com/team/app, tag: 1.2.3}, text: " + strings.Repeat("x", 1000) + "}\n")
	values.WriteString("workers:\n")
	for range 2000 {
		values.WriteString("- <<: *base\n  port: 80\n")
	}
	dir := write(t, t.TempDir(), map[string]string{"Chart.yaml": chartYAML + "x: &x a & b * c\nhome: *x\n", "values.yaml": values.String()})
	m, err := chart.Package(t.Context(), dir, io.Discard, nil)
	if err != nil || m.Home != "a & b * c" {
		t.Errorf("Package = %+v, %v", m, err)
	}
}
