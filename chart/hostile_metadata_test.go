package chart_test

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/chart"
)

// hostileChartYAML is a Chart.yaml that is refused, and how.
type hostileChartYAML struct {
	name, content string
	field         string // named in the error; empty: the file as a whole
	says          string
	tooLarge      bool
}

func hostileChartYAMLs() []hostileChartYAML {
	const name, version = "name: pier\n", "version: 1.2.3\n"
	const good = name + version
	return []hostileChartYAML{
		// No mapping.
		{"empty", "", "name", "missing", false},
		{"null", "~", "name", "missing", false},
		{"a comment alone", "# nothing\n", "name", "missing", false},
		{"a list", "- " + name, "", "list", false},
		{"a text", "pier", "", "string", false},
		{"a number", "1.5", "", "number", false},
		{"not YAML", "name: [", "", "cannot be read", false},
		{"a tab", "\tname: pier\n", "", "cannot be read", false},
		{"a NUL", "name: pi\x00er\n" + version, "", "cannot be read", false},
		{"an escape", "name: \x1b[2Jpier\n" + version, "", "cannot be read", false},
		{"invalid UTF-8", "name: pi\xffer\n" + version, "", "cannot be read", false},
		{"half of UTF-16", "\xff\xfen\x00a", "", "", false},
		{"HTML", "<html><body>404</body></html>", "", "string", false},
		{"beyond 1 MiB", good + "description: " + strings.Repeat("x", 1<<20) + "\n", "", "1048576", true},

		// Expansion.
		{"aliases that multiply", "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e, *e]\n" + good, "", "", true},
		{"aliases of a long text", "a: &a " + strings.Repeat("x", 100_000) + "\nkeywords: [" + strings.Repeat("*a, ", 100) + "]\n" + good, "", "8388608", true},
		{"an alias in itself", "a: &a [*a]\n" + good, "", "8388608", true},
		{"an alias of nothing", "a: *none\n" + good, "", "cannot be read", false},
		{"a merge of itself", "a: &a\n  <<: *a\n" + good, "", "", false},
		{"depth", "a: " + strings.Repeat("[", 100_000) + "\n" + good, "", "cannot be read", false},
		{"depth of mappings", "a: " + strings.Repeat("{a: ", 100_000) + "\n" + good, "", "cannot be read", false},

		// Names.
		{"no name", version, "name", "missing", false},
		{"a name that is null", "name: ~\n" + version, "name", "missing", false},
		{"a name that is empty", "name: ''\n" + version, "name", "missing", false},
		{"a name of nothing printable", "name: \"\\u200b\"\n" + version, "name", "missing", false},
		{"a name that is a list", "name: [pier]\n" + version, "name", "list", false},
		{"a name that is a mapping", "name: {a: b}\n" + version, "name", "mapping", false},
		{"a name that leads out", "name: ../../evil\n" + version, "name", "directory", false},
		{"a name that is absolute", "name: /etc/cron.d/evil\n" + version, "name", "directory", false},
		{"a name with a backslash", `name: ..\evil` + "\n" + version, "name", "directory", false},
		{"a name that is here", "name: .\n" + version, "name", "directory", false},
		{"a name that is above", "name: ..\n" + version, "name", "directory", false},
		{"a name that ends in a slash", "name: pier/\n" + version, "name", "directory", false},

		// Versions.
		{"no version", name, "version", "missing", false},
		{"a version that is null", name + "version: ~\n", "version", "missing", false},
		{"a version that is no version", name + "version: newest\n", "version", "semantic", false},
		{"a version of four parts", name + "version: 1.2.3.4\n", "version", "semantic", false},
		{"a version of nothing", name + "version: 1..2\n", "version", "semantic", false},
		{"a negative version", name + "version: -1.0.0\n", "version", "semantic", false},
		{"a version that is a path", name + "version: 1.0.0/../../evil\n", "version", "semantic", false},
		{"a version with a newline", name + "version: \"1.0.0\\n\"\n", "version", "semantic", false},
		{"a version beyond all numbers", name + "version: 99999999999999999999.0.0\n", "version", "semantic", false},
		{"a version that is a list", name + "version: [1.0.0]\n", "version", "list", false},
		{"a version that is infinite", name + "version: .inf\n", "version", "semantic", false},

		// Types.
		{"an unknown type", good + "type: daemon\n", "type", "application", false},
		{"a type that is a list", good + "type: []\n", "type", "list", false},
		{"an apiVersion that is a mapping", good + "apiVersion: {}\n", "apiVersion", "mapping", false},
		{"keywords that are a mapping", good + "keywords: {a: b}\n", "keywords", "mapping", false},
		{"sources of lists", good + "sources: [[a]]\n", "sources", "list", false},
		{"annotations that are a list", good + "annotations: [a]\n", "annotations", "list", false},
		{"annotations of mappings", good + "annotations: {a: {b: c}}\n", "annotations", "mapping", false},
		{"deprecated that is a number", good + "deprecated: 7\n", "deprecated", "number", false},
		{"maintainers that are texts", good + "maintainers: [me]\n", "maintainers", "string", false},
		{"a maintainer that is null", good + "maintainers: [{name: a}, ~]\n", "maintainers[1]", "null", false},
		{"dependencies that are a mapping", good + "dependencies: {a: b}\n", "dependencies", "mapping", false},
		{"a dependency that is null", good + "dependencies: [~]\n", "dependencies[0]", "null", false},
		{"a dependency that is a text", good + "dependencies: [buoy]\n", "dependencies", "string", false},
		{"an alias that is a path", good + "dependencies: [{name: buoy, alias: ../../evil}]\n", "dependencies[0].alias", "characters", false},
		{"two dependencies of one name", good + "dependencies: [{name: buoy}, {name: buoy}]\n", "dependencies[1]", "alias of its own", false},
		{"two dependencies of one alias", good + "dependencies: [{name: buoy, alias: x}, {name: chain, alias: x}]\n", "dependencies[1]", "alias of its own", false},
		{"a condition that is a list", good + "dependencies: [{name: buoy, condition: [a]}]\n", "dependencies.condition", "list", false},
	}
}

// TestHostileChartYAML has each Chart.yaml refused wherever one is read: the
// field is named, nothing is unpacked, nothing packaged.
func TestHostileChartYAML(t *testing.T) {
	into := t.TempDir()
	for _, tc := range hostileChartYAMLs() {
		t.Run(tc.name, func(t *testing.T) {
			data := tgz(t, file("pier/Chart.yaml", tc.content), file("pier/values.yaml", "a: 1\n"))
			own := write(t, t.TempDir(), map[string]string{"Chart.yaml": tc.content, "values.yaml": "a: 1\n"})
			inDirectory := write(t, t.TempDir(), with(chartFiles("quay", "1.0.0"), "charts/x", map[string]string{"Chart.yaml": tc.content}))
			inArchive := write(t, t.TempDir(), with(chartFiles("quay", "1.0.0"), "charts", map[string]string{"x.tgz": string(data)}))
			pack := func(dir string) func() error {
				return func() error {
					var b bytes.Buffer
					_, err := chart.Package(t.Context(), dir, &b, nil)
					if b.Len() > 0 {
						t.Errorf("Package has written %d bytes", b.Len())
					}
					return err
				}
			}
			for where, f := range map[string]func() error{
				"Metadata":               func() error { _, err := archive(t, data, nil).Metadata(); return err },
				"UnverifiedMetadata":     func() error { _, err := archive(t, data, nil).UnverifiedMetadata(); return err },
				"Unpack":                 func() error { _, err := archive(t, data, nil).Unpack(t.Context(), into); return err },
				"PackArchive":            func() error { _, err := chart.PackArchive(t.Context(), archive(t, data, nil), nil); return err },
				"Package":                pack(own),
				"Package as a directory": pack(inDirectory),
				"Package as an archive":  pack(inArchive),
				"Package with new version": func() error {
					_, err := chart.Package(t.Context(), own, io.Discard, &chart.PackageOptions{AppVersion: "1"})
					return err
				},
			} {
				checkBadMetadata(t, where, tc, f())
			}
			if left := snapshot(t, into); len(left) != 1 {
				t.Errorf("unpacked: %v", left)
			}
		})
	}
}

func checkBadMetadata(t *testing.T, where string, tc hostileChartYAML, err error) {
	t.Helper()
	checkText(t, err)
	if errors.Is(err, chart.ErrTooLarge) != tc.tooLarge {
		t.Errorf("%s: error = %v, want ErrTooLarge: %v", where, err, tc.tooLarge)
	}
	if err == nil || !strings.Contains(err.Error(), tc.says) {
		t.Errorf("%s: error = %v, want it to say %q", where, err, tc.says)
	}
	var me *chart.MetadataError
	var ae *chart.ArchiveError
	switch {
	case errors.As(err, &me):
		if me.Field != tc.field || !errors.Is(err, chart.ErrInvalidMetadata) {
			t.Errorf("%s: field %q, want %q: %v", where, me.Field, tc.field, err)
		}
	case !errors.As(err, &ae) || filepath.Base(ae.Entry) != "Chart.yaml" || !tc.tooLarge:
		t.Errorf("%s: error = %v, want a MetadataError, or Chart.yaml as the entry that is too large", where, err)
	}
}
