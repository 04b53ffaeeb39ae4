package cache

import (
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/registry"
)

func TestEscapeTag(t *testing.T) {
	long := strings.Repeat("A", 65)
	tests := []struct{ tag, want string }{
		{"1.0.0", "1.0.0"},
		{"1.0.0_build.5", "1.0.0_build.5"},
		{"1.0.0-RC.1", "1.0.0-!r!c.1"},
		{"con", "!_con"},
		{"con.1.0", "!_con.1.0"},
		{"Con", "!con"},
		{"com1", "!_com1"},
		{"lpt9.x", "!_lpt9.x"},
		{"com10", "com10"},
		{"console", "console"},
		{"1.", "1.!-"},
		{"nul.", "!_nul.!-"},
		{long, "!!" + hashName(long)},
		{strings.Repeat("a", 128), strings.Repeat("a", 128)},
	}
	for _, tt := range tests {
		if got := escapeTag(tt.tag); got != tt.want {
			t.Errorf("escapeTag(%q) = %q, want %q", tt.tag, got, tt.want)
		}
	}
}

// unescape is the proof that names of tags are as different as the tags.
func unescape(name string) string {
	name = strings.TrimSuffix(strings.TrimPrefix(name, "!_"), "!-")
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '!' {
			i++
			b.WriteString(strings.ToUpper(name[i : i+1]))
			continue
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

func FuzzEscapeTag(f *testing.F) {
	for _, tag := range []string{"1.0.0", "V1", "v1", "con", "CON.1", "aux.", "_", "a-", strings.Repeat("X", 128), strings.Repeat("x", 127) + "."} {
		f.Add(tag)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		if !registry.ValidTag(tag) {
			return
		}
		name := escapeTag(tag)
		if len(name) == 0 || len(name) > maxEscaped {
			t.Fatalf("%q: name of %d bytes", tag, len(name))
		}
		if name != strings.ToLower(name) || strings.ContainsAny(name, `/\:*?"<>|+ `) || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") {
			t.Fatalf("%q: unsafe name %q", tag, name)
		}
		if stem, _, _ := strings.Cut(name, "."); isDevice(stem) {
			t.Fatalf("%q: name of a device %q", tag, name)
		}
		if hash, ok := strings.CutPrefix(name, "!!"); ok {
			if hash != hashName(tag) {
				t.Fatalf("%q: hashed as %q", tag, name)
			}
		} else if back := unescape(name); back != tag {
			t.Fatalf("%q: name %q is read as %q", tag, name, back)
		}
	})
}
