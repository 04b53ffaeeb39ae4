package chart_test

import (
	"archive/tar"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/chart"
)

// maxError is more than any error of the package is long, in bytes.
const maxError = 8 << 10

// checkText wants an error that can be printed on a terminal.
func checkText(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	text := err.Error()
	if len(text) > maxError {
		t.Errorf("error of %d bytes: %.200q…", len(text), text)
	}
	if !utf8.ValidString(text) {
		t.Errorf("error is no UTF-8: %.400q", text)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			t.Errorf("error has %q: %.400q", r, text)
			return
		}
	}
}

// hostile is what a terminal acts on: OSC, CSI in C0 and C1, DEL, a bidi
// override, a line separator, bytes that are no UTF-8.
const hostile = "\x1b]0;x\a\x1b[2J\u009b2J\x7f\u202egnp\u2028\u0085\xff\xfe"

func TestErrorsCanBePrinted(t *testing.T) {
	long := strings.Repeat("A", 100<<10)
	t.Run("Chart.yaml", func(t *testing.T) {
		for _, text := range []string{
			`version: !!int "\e]0;x\a"`,
			`version: "\e]0;x\a"`,
			`version: ` + long,
			`type: "\e[2J\u202e"`,
			`type: ` + long,
			"annotations:\n  ? {\"\\e[2J\": 1}\n  : 2",
			"? [\"\\e[2J\"]\n: 1",
			"? [\"" + long + "\"]\n: 1",
			"? {\"" + long + "\": 1}\n: 1",
			"~: " + long,
			"x: *\u009b",
			"dependencies: [{alias: \"\\e[2J\"}]",
			"dependencies: [{alias: a b" + long + "}]",
			"dependencies: [{name: " + long + "}, {name: " + long + "}]",
			"name: a/" + long,
			"\x1b",
		} {
			m, err := chart.ParseMetadata([]byte(chartYAML + text))
			if err == nil {
				err = m.Validate()
			}
			if checkText(t, err); err == nil {
				t.Errorf("of %.60q", text)
			}
		}
	})
	t.Run("config", func(t *testing.T) {
		for _, text := range []string{"\x1b[2J", `{"name":"a/\u001b[2J"}`, `{"apiVersion":"v1","name":"a","version":"\u001b[2J\u202e"}`, `{"annotations":{"\u001b[2J":1}}`, `{"` + long + `":`} {
			_, err := chart.ParseConfig([]byte(text))
			checkText(t, err)
		}
	})
	t.Run("manifest", func(t *testing.T) {
		bad := desc(chart.LayerMediaType)
		bad.Digest = digest.Digest(hostile + long)
		for _, text := range []string{
			"\x1b[2J", `{"mediaType":"\u001b[2J\u202e` + long + `"}`, `{"config":{"mediaType":"\u001b]0;x\u0007"}}`,
			`{"\u001b[2J":1,"\u001b[2J":1}`, `{"` + long + `":1,"` + long + `":1}`,
			manifest(t, chart.ConfigMediaType, bad),
		} {
			_, err := chart.ReadManifest([]byte(text), "")
			checkText(t, err)
		}
		_, err := chart.ReadManifest([]byte("{}"), hostile+long)
		checkText(t, err)
	})
	t.Run("archive", func(t *testing.T) {
		twice := file("pier/"+"\u009b2J\u202e", "")
		for name, entries := range map[string][]entry{
			"control":          {file("pier/"+hostile[:20], "")},
			"invalid":          {file("pier/"+hostile, "")},
			"long":             {file("pier/"+long, "")},
			"top":              {file("pier/a", ""), file("\u009b2J\u202e/b", "")},
			"twice":            {twice, twice},
			"case":             {file("pier/\u009b2J\u202ea", ""), file("pier/\u009b2J\u202eA", "")},
			"file and dir":     {file("pier/\u009b2J\u202ea", ""), file("pier/\u009b2J\u202ea/b", "")},
			"link":             {special(tar.TypeSymlink, "pier/a", "\x1b]0;x\a\u202e")},
			"long link":        {special(tar.TypeLink, "pier/a", long)},
			"no file":          {file("pier/a", "")},
			"huge":             {entry{tar.Header{Typeflag: tar.TypeReg, Name: "pier/\u009b2J", Size: 100}, strings.Repeat("x", 100)}},
			"both separators":  {file("pier/"+`\`+"\u009b2J", "")},
			"out of its place": {file("../\u009b2J\u202e", "")},
		} {
			limits := chart.Limits{}
			if name == "huge" {
				limits.File = 10
			}
			for _, lenient := range []bool{false, true} {
				a := archive(t, tgz(t, entries...), &chart.ArchiveOptions{Limits: limits, Lenient: lenient})
				_, err := a.Metadata()
				checkText(t, err)
			}
		}
		a := archive(t, tgz(t, file("pier/Chart.yaml", chartYAML)), nil)
		_, err := a.ReadFile(hostile + long)
		checkText(t, err)
	})
	t.Run("directory", func(t *testing.T) {
		for name, files := range map[string]map[string]string{
			"name":       {"Chart.yaml": chartYAML, "charts/\x1b[2J": ""},
			"link":       {"Chart.yaml": chartYAML, "\u009b2J->": "\x1b]0;x\a"},
			"ignore":     {"Chart.yaml": chartYAML, ".helmignore": "**\x1b[2J" + long},
			"pattern":    {"Chart.yaml": chartYAML, ".helmignore": "[\u009b2J" + long},
			"values":     {"Chart.yaml": chartYAML, "values.yaml": "? [\"\\e[2J" + long + "\"]\n: 1"},
			"schema":     {"Chart.yaml": chartYAML, "values.schema.json": "{\"\x1b[2J"},
			"dependency": {"Chart.yaml": chartYAML + "dependencies: [{name: " + long + "}]"},
			"no chart":   {"charts/\x1b[2J/x": ""},
			"version":    {"Chart.yaml": "apiVersion: \"\\e[2J\"\nname: x\nversion: 1.0.0"},
		} {
			_, err := chart.Package(t.Context(), write(t, t.TempDir(), files), io.Discard, nil)
			t.Run(name, func(t *testing.T) { checkText(t, err) })
		}
	})
	t.Run("pack", func(t *testing.T) {
		text := chartYAML + "appVersion: " + long + "\nname: " + long + "\n"
		dir := write(t, t.TempDir(), map[string]string{"a.tgz": string(tgz(t, file("pier/Chart.yaml", text)))})
		_, err := chart.Pack(t.Context(), dir+"/a.tgz", &chart.PackOptions{PackageOptions: chart.PackageOptions{AppVersion: hostile}})
		checkText(t, err)
		_, err = chart.Pack(t.Context(), dir+"/a.tgz", &chart.PackOptions{Created: hostile + long})
		checkText(t, err)
		p, err := chart.Pack(t.Context(), dir+"/a.tgz", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		_, err = p.Resolve(t.Context(), hostile+long)
		checkText(t, err)
	})
	checkText(t, &chart.ArchiveError{Path: hostile + long, Entry: hostile + long, Problem: hostile + long, Err: errors.New("x")})
	checkText(t, &chart.MetadataError{Field: hostile + long, Value: hostile + long, Problem: hostile + long})
	checkText(t, &chart.MetadataError{Problem: hostile + long})
}
