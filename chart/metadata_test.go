package chart_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/chart"
)

// The values are those that Helm 4.3.1 puts into the config blob.
func TestParseMetadata(t *testing.T) {
	base := chart.Metadata{APIVersion: "v2", Name: "a", Version: "1.0.0"}
	const text = "apiVersion: v2\nname: a\nversion: 1.0.0\n"
	for _, tc := range []struct {
		name, in string
		want     func(*chart.Metadata)
	}{
		{"empty apiVersion", "name: a\nversion: 1.0.0\napiVersion: ''\n", func(m *chart.Metadata) { m.APIVersion = "v1" }},
		{"number that loses its zero", text + "appVersion: 1.10\n", func(m *chart.Metadata) { m.AppVersion = "1.1" }},
		{"octal", text + "appVersion: 0755\n", func(m *chart.Metadata) { m.AppVersion = "493" }},
		{"exponent", text + "appVersion: 1e3\n", func(m *chart.Metadata) { m.AppVersion = "1000" }},
		{"bool", text + "appVersion: yes\ndeprecated: on\n", func(m *chart.Metadata) { m.AppVersion, m.Deprecated = "true", true }},
		{"annotations", text + "annotations: {a: 1, b: true, 1: c}\n", func(m *chart.Metadata) { m.Annotations = map[string]string{"a": "1", "b": "true", "1": "c"} }},
		{"upper case", "APIVERSION: v2\nNAME: a\nVersion: 1.0.0\n", func(*chart.Metadata) {}},
		{"last key wins", text + "version: 2.0.0\n", func(m *chart.Metadata) { m.Version = "2.0.0" }},
		{"first document", text + "---\nname: b\n", func(*chart.Metadata) {}},
		{"merge key, which wins where it comes last", text + "<<: {home: x, name: b}\n", func(m *chart.Metadata) { m.Home, m.Name = "x", "b" }},
		{"byte order mark", "\ufeff" + text, func(*chart.Metadata) {}},
		{"odd characters", text + `description: "a\tb\u200bc\u00a0d"` + "\n", func(m *chart.Metadata) { m.Description = "a bc d" }},
		{"but not in annotations", text + `annotations: {a: "a\tb\u200b"}` + "\n", func(m *chart.Metadata) { m.Annotations = map[string]string{"a": "a\tb\u200b"} }},
		{"null in a list", text + "keywords: [~, a]\n", func(m *chart.Metadata) { m.Keywords = []string{"", "a"} }},
		{"empty", "", func(m *chart.Metadata) { *m = chart.Metadata{APIVersion: "v1"} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := base
			tc.want(&want)
			got, err := chart.ParseMetadata([]byte(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		name, field string // of the error; empty: valid
		change      func(*chart.Metadata)
	}{
		{"valid", "", func(*chart.Metadata) {}},
		{"short version", "", func(m *chart.Metadata) { m.Version = "v1.2" }},
		{"any apiVersion", "", func(m *chart.Metadata) { m.APIVersion = "v9" }},
		{"library", "", func(m *chart.Metadata) { m.Type = "library" }},
		{"one chart under two aliases", "", func(m *chart.Metadata) {
			m.Dependencies = []*chart.Dependency{{Name: "x"}, {Name: "x", Alias: "y"}}
		}},
		{"no apiVersion", "apiVersion", func(m *chart.Metadata) { m.APIVersion = "" }},
		{"no name", "name", func(m *chart.Metadata) { m.Name = "" }},
		{"name with a slash", "name", func(m *chart.Metadata) { m.Name = "a/b" }},
		{"name with a backslash", "name", func(m *chart.Metadata) { m.Name = `a\b` }},
		{"name of the parent", "name", func(m *chart.Metadata) { m.Name = ".." }},
		{"no version", "version", func(m *chart.Metadata) { m.Version = "" }},
		{"bad version", "version", func(m *chart.Metadata) { m.Version = "1.2.3 " }},
		{"bad type", "type", func(m *chart.Metadata) { m.Type = "Application" }},
		{"null maintainer", "maintainers[1]", func(m *chart.Metadata) { m.Maintainers = []*chart.Maintainer{{}, nil} }},
		{"null dependency", "dependencies[0]", func(m *chart.Metadata) { m.Dependencies = []*chart.Dependency{nil} }},
		{"bad alias", "dependencies[0].alias", func(m *chart.Metadata) { m.Dependencies = []*chart.Dependency{{Name: "x", Alias: "a b"}} }},
		{"same name twice", "dependencies[1]", func(m *chart.Metadata) { m.Dependencies = []*chart.Dependency{{Name: "x"}, {Name: "x"}} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := &chart.Metadata{APIVersion: "v2", Name: "a", Version: "1.0.0"}
			tc.change(m)
			err := m.Validate()
			var me *chart.MetadataError
			if errors.As(err, &me); err != nil && (me == nil || !errors.Is(err, chart.ErrInvalidMetadata)) {
				t.Fatalf("error = %v, want a *MetadataError", err)
			}
			if got := func() string {
				if me == nil {
					return ""
				}
				return me.Field
			}(); got != tc.field {
				t.Errorf("field = %q (%v), want %q", got, err, tc.field)
			}
		})
	}
	if err := (*chart.Metadata)(nil).Validate(); !errors.Is(err, chart.ErrInvalidMetadata) {
		t.Errorf("nil: %v", err)
	}
}
