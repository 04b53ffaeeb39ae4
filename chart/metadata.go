package chart

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// The values of Metadata.APIVersion that Helm 3 and 4 load.
const (
	APIVersionV1 = "v1" // dependencies may stand in requirements.yaml
	APIVersionV2 = "v2"
)

// Metadata is the content of Chart.yaml, and as JSON the config blob of a
// chart in a registry. Names, order and omissions of its JSON are those of
// Helm (helm/helm pkg/chart/v2), so that the same chart has the same config
// digest whoever pushes it; keys that it does not list are lost there.
//
// It is plain data: share it between goroutines as long as nobody writes.
type Metadata struct {
	Name        string            `json:"name,omitempty"`
	Home        string            `json:"home,omitempty"`        // a URL
	Sources     []string          `json:"sources,omitempty"`     // URLs
	Version     string            `json:"version,omitempty"`     // semantic, as Masterminds/semver reads it: "1.2" and "v1.2.3" pass
	Description string            `json:"description,omitempty"` // one line
	Keywords    []string          `json:"keywords,omitempty"`
	Maintainers []*Maintainer     `json:"maintainers,omitempty"` // nil where Chart.yaml has a null, which Validate refuses
	Icon        string            `json:"icon,omitempty"`        // a URL
	APIVersion  string            `json:"apiVersion,omitempty"`
	Condition   string            `json:"condition,omitempty"` // a path in the parent's values
	Tags        string            `json:"tags,omitempty"`      // comma-separated
	AppVersion  string            `json:"appVersion,omitempty"`
	Deprecated  bool              `json:"deprecated,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	KubeVersion string            `json:"kubeVersion,omitempty"` // a constraint
	// Dependencies holds nil where Chart.yaml has a null, which Validate refuses.
	Dependencies []*Dependency `json:"dependencies,omitempty"`
	Type         string        `json:"type,omitempty"` // "application", "library", or empty, which means application
}

// Maintainer is a person or an organisation that looks after a chart.
type Maintainer struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
	URL   string `json:"url,omitempty"`
}

// Dependency is a chart that another chart needs in its charts/ directory.
type Dependency struct {
	Name         string   `json:"name"`
	Version      string   `json:"version,omitempty"`   // a version or a range
	Repository   string   `json:"repository"`          // oci://, https://, file:// or an "@alias"; written even when empty, as Helm does
	Condition    string   `json:"condition,omitempty"` // a path in the parent's values that switches it
	Tags         []string `json:"tags,omitempty"`
	Enabled      bool     `json:"enabled,omitempty"`
	ImportValues []any    `json:"import-values,omitempty"` // each a string, or a map with "child" and "parent"
	Alias        string   `json:"alias,omitempty"`
}

// ParseMetadata reads Chart.yaml as Helm does, by way of sigs.k8s.io/yaml: the
// first document, YAML 1.1 (an unquoted 1.10 is the number 1.1, yes is true),
// keys in any case, the last of equal keys, numbers and bools turned to text
// where a string is wanted, unknown keys ignored. An empty apiVersion is read
// as v1. In all texts but versions and annotations, white space becomes a
// blank and what cannot be printed is dropped.
//
// Of the rules it checks none: see Metadata.Validate. Its error is a
// *MetadataError; it matches ErrTooLarge where aliases expand the file to more
// than 8 MiB.
func ParseMetadata(chartYAML []byte) (*Metadata, error) {
	return parseMetadata([][]byte{chartYAML}, nil)
}

var utf8BOM = []byte{0xEF, 0xBB, 0xBF}

// parseMetadata reads Chart.yaml and then requirements.yaml over it. Only a
// lenient reader has more than one of a kind: each is read over the one
// before, as Helm does.
func parseMetadata(chartYAML, requirements [][]byte) (*Metadata, error) {
	m := new(Metadata)
	var r yamlReader
	for _, data := range chartYAML {
		if err := m.read(&r, chartFile, data); err != nil {
			return nil, err
		}
		if m.APIVersion == "" {
			m.APIVersion = APIVersionV1
		}
	}
	for _, data := range requirements {
		if err := m.mergeRequirements(&r, data); err != nil {
			return nil, err
		}
	}
	m.sanitize()
	return m, nil
}

func (m *Metadata) read(r *yamlReader, file string, data []byte) error {
	err := r.unmarshal(bytes.TrimPrefix(data, utf8BOM), m)
	if err == nil {
		return nil
	}
	if errors.Is(err, errExpanded) {
		return &MetadataError{Problem: fmt.Sprintf("%s cannot be read: %v", file, err), Err: ErrTooLarge}
	}
	var te *json.UnmarshalTypeError
	if errors.As(err, &te) {
		problem := fmt.Sprintf("in %s is a %s where a %s is wanted", file, inYAML(te.Value), inYAML(te.Type.Kind().String()))
		if te.Field == "" {
			problem = "what stands " + problem
		}
		return &MetadataError{Field: te.Field, Problem: problem}
	}
	text := strings.TrimPrefix(err.Error(), "error converting YAML to JSON: ")
	return &MetadataError{Problem: fmt.Sprintf("%s cannot be read: %s", file, text)}
}

// inYAML calls a JSON or Go kind by its YAML name.
func inYAML(kind string) string {
	switch kind {
	case "object", "map", "struct":
		return "mapping"
	case "array", "slice":
		return "list"
	}
	return kind
}

// clone makes a copy that shares nothing with m.
func (m *Metadata) clone() *Metadata {
	c := *m
	c.Sources = append([]string(nil), m.Sources...)
	c.Keywords = append([]string(nil), m.Keywords...)
	c.Maintainers, c.Dependencies, c.Annotations = nil, nil, nil
	for _, p := range m.Maintainers {
		if p != nil {
			q := *p
			p = &q
		}
		c.Maintainers = append(c.Maintainers, p)
	}
	for _, d := range m.Dependencies {
		if d != nil {
			e := *d
			e.Tags = append([]string(nil), d.Tags...)
			e.ImportValues = cloneAny(d.ImportValues).([]any)
			d = &e
		}
		c.Dependencies = append(c.Dependencies, d)
	}
	if m.Annotations != nil {
		c.Annotations = make(map[string]string, len(m.Annotations))
		for k, v := range m.Annotations {
			c.Annotations[k] = v
		}
	}
	return &c
}

// cloneAny copies what JSON decodes to.
func cloneAny(v any) any {
	switch v := v.(type) {
	case []any:
		if v == nil {
			return v
		}
		c := make([]any, len(v))
		for i := range v {
			c[i] = cloneAny(v[i])
		}
		return c
	case map[string]any:
		c := make(map[string]any, len(v))
		for k := range v {
			c[k] = cloneAny(v[k])
		}
		return c
	}
	return v
}

// sanitize does what Helm's loader does to the texts. Version, type, alias and
// annotations are not among them.
func (m *Metadata) sanitize() {
	for _, s := range []*string{&m.Name, &m.Description, &m.Home, &m.Icon, &m.Condition, &m.Tags, &m.AppVersion, &m.KubeVersion} {
		*s = printable(*s)
	}
	for i := range m.Sources {
		m.Sources[i] = printable(m.Sources[i])
	}
	for i := range m.Keywords {
		m.Keywords[i] = printable(m.Keywords[i])
	}
	for _, p := range m.Maintainers {
		if p != nil {
			p.Name, p.Email, p.URL = printable(p.Name), printable(p.Email), printable(p.URL)
		}
	}
	for _, d := range m.Dependencies {
		if d == nil {
			continue
		}
		d.Name, d.Version, d.Repository, d.Condition = printable(d.Name), printable(d.Version), printable(d.Repository), printable(d.Condition)
		for i := range d.Tags {
			d.Tags[i] = printable(d.Tags[i])
		}
	}
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return -1
	}, s)
}
