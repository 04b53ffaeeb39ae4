package chart

import (
	"encoding/json"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestWeigh(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want int64 // in nodes and bytes of text
	}{
		{"a: b", 3*nodeWeight + 2},
		{"a & b: c * d", 3*nodeWeight + 10 + 5},
		{"a: &x bc\nd: *x", 5*nodeWeight + 6},
		{"&x a: *x", 3*nodeWeight + 2},
		{"a: &x [b, ~]\nc: [*x, *x]", 13*nodeWeight + 5},
		{"a: &x {b: c}\nd: {<<: *x, e: f}", 11*nodeWeight + 8},
		{"a: &x !!binary YWJj\nb: *x", 5*nodeWeight + 8},
		{"*x &", 0},
	} {
		var r yamlReader
		err := r.weigh([]byte(tc.in))
		if strings.HasPrefix(tc.in, "*") {
			if err == nil {
				t.Errorf("%q: no error", tc.in)
			}
			continue
		}
		if err != nil || r.weight != tc.want {
			t.Errorf("%q weighs %d, %v, want %d", tc.in, r.weight, err, tc.want)
		}
	}
}

func TestMayAlias(t *testing.T) {
	for text, want := range map[string]bool{
		"a: b # & *":                          true, // a comment, but who is to say
		"# & *\n\t # &\na: b":                 false,
		"# &\na: '*'":                         false,
		"a: &x b\nc: *x":                      true,
		"a: &x b\r#\rc: *x":                   true,
		"# &\u0085a: &x b\n#\u0085c: *x":      true,
		"# &\u2028a: &x b\n#\u2029c: *x":      true,
		"# &\ra: &x b\n#\r\nc: *x":            true,
		"- &x b\n-\t*x":                       true,
		"\xff\xfe#\x00&\x00*\x00":             true,
		"a: |\n  # & *\n":                     false,
		"a: |\n  # & *\nb: &x c\nd: \"\n#\" ": false,
	} {
		if got := mayAlias([]byte(text)); got != want {
			t.Errorf("mayAlias(%q) = %v, want %v", text, got, want)
		}
	}
}

// FuzzWeigh holds the weight against what the text becomes: a node's weight is
// enough for all that is no text.
func FuzzWeigh(f *testing.F) {
	f.Add([]byte("a: &a [x, y]\nb: [*a, *a]\nc: {<<: {d: *a}}\n"))
	f.Add([]byte("a: &a !!binary YWJj\nb: !!null [*a, *a]\n"))
	f.Add([]byte("? &k <<<<\n: *k\n~: *k\n0x10: *k\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("%TAG ! tag:yaml.org,2002:\n---\na: &a !null {b: c}\nd: !str *a\n"))
	f.Add([]byte("\xff\xfea\x00:\x00 \x00&\x00x\x00 \x00b\x00\n\x00c\x00:\x00 \x00*\x00x\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r yamlReader
		if r.weigh(data) != nil {
			return
		}
		var v any
		if yaml.Unmarshal(data, &v) != nil {
			return
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if most := r.weight; int64(len(text)) > most {
			t.Errorf("%d bytes of JSON weigh %d", len(text), r.weight)
		}
	})
}
