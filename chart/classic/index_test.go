package classic

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/portolan-oci/portolan/chart"
)

// TestStreamedAsDecoded: of what Helm writes, the parts say what the whole
// says, and the whole is not needed.
func TestStreamedAsDecoded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	broken := 0
	for n := range 400 {
		data, err := yaml.Marshal(generate(r))
		text := string(data)
		switch n % 4 {
		case 1:
			text = strings.ReplaceAll(text, "\n", "\r\n")
		case 2:
			text = "\uFEFF" + text
		case 3:
			text = "---\n# made by hand\n" + text
		}
		want, derr := decoded(text)
		if err = errors.Join(err, derr); err != nil {
			broken++ // the library does not read all that it writes
			continue
		}
		got, err := streamed(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("whole and streamed differ (-whole +streamed):\n%s\n%s", diff, text)
		}
	}
	t.Logf("%d of 400 samples cannot be written or read", broken)
	if broken > 80 {
		t.Errorf("%d of 400 samples were of no use", broken)
	}
}

// TestRewrittenAsDecoded: in any other layout, the rewritten index says what
// the whole says.
func TestRewrittenAsDecoded(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		made := generate(r)
		data, err := json.Marshal(made)
		if err != nil {
			t.Fatal(err)
		}
		indented, err := json.MarshalIndent(made, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{string(data), string(indented), "# a comment\n" + string(data), string(data) + "\n---\nsecond: document\n"} {
			want, err := decoded(text)
			if err != nil {
				continue // JSON escapes that YAML does not read
			}
			got, err := byParts(text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("whole and rewritten differ (-whole +rewritten):\n%s\n%s", diff, text)
			}
		}
	}
}

const head = "apiVersion: v1\nentries:\n"

// entryOf is the least that an entry is.
func entryOf(name, version string) string {
	return fmt.Sprintf("  - apiVersion: v2\n    name: %s\n    version: %s\n    urls: []\n", name, version)
}

func TestLayouts(t *testing.T) {
	nginx := "  nginx:\n" + entryOf("nginx", "1.0.0")
	for _, tc := range []struct {
		name, text string
		streams    bool
	}{
		{"as Helm writes it", head + nginx, true},
		{"entries last, without a line end", "apiVersion: v1\ngenerated: \"x\"\nentries:\n" + strings.TrimSuffix(nginx, "\n"), true},
		{"entries first", "entries:\n" + nginx + "apiVersion: v1\n", true},
		{"no entries", "apiVersion: v1\nentries: {}\n", true},
		{"null entries", "apiVersion: v1\nentries:\ngenerated: x\n", true},
		{"no key entries", "apiVersion: v1\n", true},
		{"a chart without entries", head + "  empty: []\n" + nginx + "  nothing: null\n  none:\n", true},
		{"a null entry", head + nginx + "  - null\n  -\n", true},
		{"quoted names", head + "  \"ng\\x69nx\":\n" + entryOf("nginx", "1.0.0") + "  '1':\n" + entryOf("a", "1.0.0"), true},
		{"names that are no text", head + "  1:\n" + entryOf("a", "1.0.0") + "  1.50:\n" + entryOf("a", "1.0.0") + "  yes:\n" + entryOf("a", "1.0.0"), true},
		{"comments", "# a\napiVersion: v1 # b\nentries: # c\n# d\n  # e\n  nginx: # f\n    # g\n" + entryOf("nginx", "1.0.0") + "# h\n    # i\n", true},
		{"look-alikes in block texts", head + nginx + "    description: |\n      entries:\n      evil:\n\n       - name: evil\n    home: >-\n      fake:\n        - x\n" + entryOf("nginx", "0.9.0"), true},
		{"block texts with a given indentation", head + nginx + "    description: |2-\n        far\n      near\n", true},
		{"folded texts", head + nginx + "    description: a long text\n      goes on here\n      \"and quotes\n    home: \"a long text \\\n      goes on\\\"\n      fake:\"\n    icon: 'a\n\n      it''s'\n", true},
		{"deeper lists", "apiVersion: v1\nentries:\n  nginx:\n    - name: nginx\n      version: 1.0.0\n      urls:\n        - x\n    - name: nginx\n      version: 2.0.0\n", true},
		{"other indentation", "apiVersion: v1\nentries:\n      nginx:\n      - name: nginx\n        version: 1.0.0\n", true},
		{"keys in another case", "apiVersion: v1\nentries:\n  nginx:\n  - Name: nginx\n    VERSION: 1.0.0\n", true},
		{"begins with a marker", "---\n" + head + nginx, true},

		{"anchors", head + "  nginx:\n  - &a\n    name: nginx\n    version: 1.0.0\n  other:\n  - *a\n", false},
		{"merged", head + "  nginx:\n  - name: nginx\n    maintainers:\n    - &m {name: me}\n    version: 1.0.0\n  - <<: {name: nginx}\n    version: 1.1.0\n", false},
		{"flow", "apiVersion: v1\nentries: {nginx: [{name: nginx, version: 1.0.0}]}\n", false},
		{"flow within", head + "  nginx:\n  - {name: nginx, version: 1.0.0,\nurls: []}\n", false},
		{"tabs", head + "  nginx:\n  - name:\tnginx\n    version: 1.0.0\n", false},
		{"quotes that go on at the margin", head + "  nginx:\n  - name: nginx\n    description: \"a\n  fake:\n  - name: fake\n    version: 1.0.0\n    x: it\"\n    version: 1.0.0\n", false},
		{"a second document", head + nginx + "---\nentries:\n  other: []\n", false},
		{"an end", head + nginx + "...\n", false},
		{"carriage returns alone", strings.ReplaceAll(head+nginx, "\n", "\r"), false},
		{"a line end of its own kind", head + nginx + "    description: |\n      a\u0085  fake: []\n", false},
		{"another key case", "apiVersion: v1\nEntries:\n" + nginx, false},
		{"a tag", head + "  nginx: !!seq\n" + entryOf("nginx", "1.0.0"), false},
		{"a plain text on a line of its own", head + nginx + "    description:\n      text\n", false},
		{"a complex key", head + "  ? nginx\n  : - name: nginx\n      version: 1.0.0\n", false},
		{"JSON", `{"apiVersion":"v1","entries":{"nginx":[{"name":"nginx","version":"1.0.0","description":"\ud83d\udea2"}]}}`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want, err := decoded(tc.text)
			if err != nil {
				t.Fatalf("the sample is no index: %v\n%s", err, tc.text)
			}
			got, err := streamed(tc.text)
			if streams := err == nil; streams != tc.streams {
				t.Errorf("streamed: %v (%v), want %v", streams, err, tc.streams)
			}
			if err != nil {
				if got, err = byParts(tc.text); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-decoded +ours:\n%s", diff)
			}
		})
	}
}

// TestLineSeparators: what ends a line in YAML 1.1 alone, in one text that was
// pasted from elsewhere, costs nobody the index. Helm writes such texts
// unescaped, and reads them.
func TestLineSeparators(t *testing.T) {
	for name, odd := range map[string]map[string]any{
		"in a description":       {"description": "a\u2028b"},
		"before a line end":      {"description": "a\u2029\nb"},
		"in an annotation":       {"annotations": map[string]string{"artifacthub.io/changes": "a\u2028b"}},
		"in an annotation's key": {"annotations": map[string]string{"a\u2028b": "x"}},
		"alone":                  {"description": "\u2028", "keywords": []string{"\u2029"}},
	} {
		t.Run(name, func(t *testing.T) {
			odd["name"], odd["version"], odd["apiVersion"], odd["urls"] = "odd", "1.0.0", "v2", []string{"x"}
			made := map[string]any{"apiVersion": "v1", "entries": map[string]any{
				"nginx": []any{map[string]any{"name": "nginx", "version": "1.0.0", "apiVersion": "v2", "urls": []string{"x"}}}, "odd": []any{odd}}}
			asHelm, err := yaml.Marshal(made)
			if err != nil {
				t.Fatal(err)
			}
			asJSON, err := json.Marshal(made)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{string(asHelm), string(asJSON)} {
				want, err := decoded(text)
				if err != nil {
					t.Fatal(err)
				}
				got, err := byParts(text)
				if err != nil {
					t.Fatalf("%v\n%s", err, text)
				}
				for chart, entries := range want {
					for i, entry := range entries { // JSON writes the two escaped
						want[chart][i] = strings.NewReplacer(`\u2028`, " ", `\u2029`, " ").Replace(entry)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("-decoded +ours:\n%s", diff)
				}
			}
		})
	}
}

func TestInvalidIndexes(t *testing.T) {
	bomb := "a: &a " + strings.Repeat("x", 1000) + "\n"
	for c := 'b'; c < 'h'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 10), ","))
	}
	for name, text := range map[string]string{
		"empty":                "",
		"blank":                " \n",
		"no apiVersion":        "entries: {}\n",
		"an empty apiVersion":  "apiVersion: \"\"\nentries: {}\n",
		"JSON, no apiVersion":  `{"entries":{}}`,
		"a web page":           "\n<!DOCTYPE html><html>",
		"text":                 "not found",
		"a list of entries":    "apiVersion: v1\nentries:\n- name: x\n",
		"a mapping of entries": "apiVersion: v1\nentries:\n  nginx:\n    name: x\n",
		"a chart twice":        head + "  nginx:\n" + entryOf("nginx", "1.0.0") + "  nginx: []\n",
		"truncated in quotes":  head + "  nginx:\n  - name: \"ngi",
		"broken YAML":          head + "  nginx:\n  - name: {\n",
		"two markers":          "---\n---\n" + head,
		"binary":               "\x00\x01\x02",
		"aliases that expand":  bomb + head + "  x: [*g, *g, *g]\n",
	} {
		if _, err := byParts(text); !errors.Is(err, ErrInvalidIndex) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEntryLimits(t *testing.T) {
	long := head + "  nginx:\n" + entryOf("nginx", "1.0.0") + "    description: |\n" + strings.Repeat("      "+strings.Repeat("x", 100)+"\n", 15000) + entryOf("nginx", "0.9.0")
	got, err := streamed(long)
	if err != nil || len(got["nginx"]) != 2 || got["nginx"][0] != "invalid 0" || strings.HasPrefix(got["nginx"][1], "invalid") {
		t.Errorf("%v, %v", got, err)
	}
	var b strings.Builder
	b.WriteString(head)
	for i := range maxCharts + 1 {
		fmt.Fprintf(&b, "  c%d: []\n", i)
	}
	if _, err := scan(t.Context(), strings.NewReader(b.String())); !errors.Is(err, ErrInvalidIndex) {
		t.Errorf("more than %d charts: %v", maxCharts, err)
	}
	if err := rewrite(t.Context(), io.LimitReader(spaces{}, DefaultMaxWhole+1), io.Discard, DefaultMaxWhole); !errors.Is(err, ErrInvalidIndex) {
		t.Errorf("more than %d bytes: %v", DefaultMaxWhole, err)
	}
	flow := "apiVersion: v1\nentries: {a: [{name: a, version: 1.0.0}]}\n"
	if err := rewrite(t.Context(), strings.NewReader(flow), io.Discard, -1); !errors.Is(err, ErrInvalidIndex) {
		t.Errorf("where none is read whole: %v", err)
	}
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestLostAliases(t *testing.T) {
	e := &Entry{Metadata: chart.Metadata{Name: "x", Version: "1.0.0", Dependencies: []*chart.Dependency{{Name: "a"}, {Name: "a"}}}}
	if err := e.validate(); err != nil {
		t.Errorf("two dependencies of one name: %v", err)
	}
	e.Dependencies[1] = nil
	if err := e.validate(); err == nil {
		t.Error("a null dependency is valid")
	}
}
