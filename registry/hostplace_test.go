package registry

import "testing"

func TestMirrorRepository(t *testing.T) {
	for _, tc := range []struct {
		name   string
		mirror Mirror
		in     string
		want   string // "": the mirror does not have it
	}{
		{"all", Mirror{}, "a/b", "a/b"},
		{"below a prefix", Mirror{Prefix: "hub"}, "a/b", "hub/a/b"},
		{"a part", Mirror{Under: "a"}, "a/b", "a/b"},
		{"the part itself", Mirror{Under: "a"}, "a", "a"},
		{"another part", Mirror{Under: "a"}, "ab/c", ""},
		{"a part without its name", Mirror{Under: "a", Strip: true}, "a/b", "b"},
		{"a part under another name", Mirror{Under: "a/b", Prefix: "x/y", Strip: true}, "a/b/c", "x/y/c"},
		{"one repository under another name", Mirror{Under: "a/b", Prefix: "x", Strip: true}, "a/b", "x"},
		{"nothing is left of the name", Mirror{Under: "a", Strip: true}, "a", ""},
		{"an exception", Mirror{Under: "a", Except: []string{"a/b"}}, "a/b/c", ""},
		{"beside an exception", Mirror{Except: []string{"a/b"}}, "a/bc", "a/bc"},
	} {
		got, ok := tc.mirror.repository(tc.in)
		if got != tc.want || ok != (tc.want != "") {
			t.Errorf("%s: %s is %q, %v, want %q", tc.name, tc.in, got, ok, tc.want)
		}
	}
}

func TestRewriteMoves(t *testing.T) {
	config := HostConfig{Rewrites: []Rewrite{
		{Prefix: "", Location: "all.example"},
		{Prefix: "a", Location: "x.example:5000/hub"},
		{Prefix: "a/b", Location: "r.example/a/b"},
		{Prefix: "lost", Location: "y.example"},
	}}
	for in, want := range map[string]string{
		"z":     "all.example/z",
		"a":     "x.example:5000/hub",
		"a/c":   "x.example:5000/hub/c",
		"a/b/c": "r.example/a/b/c",
		"ab":    "all.example/ab",
		"lost":  "",
	} {
		r, ok := config.rewrite(in)
		got, err := r.move(in)
		if !ok || (err == nil) != (want != "") || err == nil && got.Name() != want {
			t.Errorf("%s is %v, %v, want %s", in, got, err, want)
		}
	}
}
