package auth

import (
	"strings"
	"testing"
)

func TestParseScope(t *testing.T) {
	for in, want := range map[string]string{
		"repository:team/app:push,pull":      "repository:team/app:pull,push",
		"repository:team/app:pull,pull":      "repository:team/app:pull",
		"repository:host:5000/app:pull":      "repository:host:5000/app:pull",
		"repository(plugin):a:pull":          "repository(plugin):a:pull",
		"registry:catalog:*":                 "registry:catalog:*",
		"aws":                                "aws", // public ECR
		"artifact-repository:repo:push,pull": "artifact-repository:repo:push,pull",
		"repository:a:":                      "repository:a:",
		"repository:a":                       "repository:a",
	} {
		s, err := ParseScope(in)
		if err != nil || s.String() != want {
			t.Errorf("%q: got %q, %v; want %q", in, s, err, want)
		}
	}
	for _, in := range []string{"", "a b", "a\"b", "a\\b", "a\nb", "ä"} {
		if _, err := ParseScope(in); err == nil {
			t.Errorf("%q was accepted", in)
		}
	}
	if s := RepositoryScope("a b", "pull"); s != (Scope{}) {
		t.Errorf("a name with a space gave %q, which would be two scopes", s)
	}
}

func TestScopeContains(t *testing.T) {
	for _, tc := range []struct {
		have, need string
		want       bool
	}{
		{"repository:a:pull,push", "repository:a:pull", true},
		{"repository:a:pull", "repository:a:pull,push", false},
		{"repository:a:pull", "repository:b:pull", false},
		{"repository:a:pull", "repository:ab:pull", false},
		{"registry:catalog:*", "registry:catalog:*", true},
		{"aws", "repository:a:pull", false},
	} {
		have, _ := ParseScope(tc.have)
		need, _ := ParseScope(tc.need)
		if got := have.Contains(need); got != tc.want {
			t.Errorf("%s contains %s: %v", tc.have, tc.need, got)
		}
	}
}

func TestMergeScopes(t *testing.T) {
	got := mergeScopes(parseScopes("repository:a:pull aws repository:b:pull"), parseScopes("repository:a:push registry:catalog:* aws"))
	const want = "repository:a:pull,push aws repository:b:pull registry:catalog:*"
	if s := strings.Join(scopeStrings(got), " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func Fuzz57ParseScope(f *testing.F) {
	for _, s := range []string{"repository:a:pull", "repository:h:1/a:push,pull", "aws", "registry:catalog:*", "repository(x):y:,z,", ":::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseScope(text)
		if err != nil {
			return
		}
		again, err := ParseScope(s.String())
		if err != nil || again != s || !s.Contains(again) {
			t.Fatalf("%q gives %#v, and that %#v, %v", text, s, again, err)
		}
		if m := mergeScopes([]Scope{s, s}); len(m) != 1 || m[0] != s {
			t.Fatalf("%q merged with itself gives %v", text, m)
		}
	})
}
