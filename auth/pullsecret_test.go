package auth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func filesSecret(t *testing.T, content string, m Matching) Provider {
	t.Helper()
	p, err := FromDockerConfigJSON([]byte(content), m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Test14PullSecret: the keys of a pull secret are matched as the kubelet does,
// but for paths, which end at a slash: a wildcard stays within its label, ports
// are equal, and of several matches the first decides.
func Test14PullSecret(t *testing.T) {
	for _, tc := range []struct {
		name, content string
		asks          []filesAsk
	}{
		{"host", auths("r.io", "u:1"), []filesAsk{{"r.io", "1"}, {"r.io/a", "1"}, {"s.io", ""}, {"x.r.io", ""}}},
		{"globs", auths("*.r.io", "u:1", "reg-?.s.io", "u:2", "[ab].t.io", "u:3"),
			[]filesAsk{{"x.r.io", "1"}, {"x.y.r.io", ""}, {"r.io", ""}, {"reg-1.s.io", "2"}, {"reg-12.s.io", ""}, {"a.t.io", "3"}, {"c.t.io", ""}}},
		{"port", auths("r.io:5000", "u:1", "*.s.io", "u:2", "*.s.io:5000", "u:3"),
			[]filesAsk{{"r.io:5000", "1"}, {"r.io", ""}, {"r.io:5001", ""}, {"a.s.io", "2"}, {"a.s.io:5000", "3"}, {"a.s.io:1", ""}}},
		{"path", auths("r.io/foo", "u:1"), []filesAsk{{"r.io/foo", "1"}, {"r.io/foo/bar", "1"}, {"r.io/foobar", ""}, {"r.io", ""}}},
		{"several matches", auths("*.r.io", "u:glob", "a.r.io", "u:host", "a.r.io/x", "u:path", "a.r.io/x/y", "u:longer", "*.r.io/x/y/z", "u:globpath"),
			[]filesAsk{{"a.r.io/x/y/z", "longer"}, {"a.r.io/x/z", "path"}, {"a.r.io/b", "host"}, {"b.r.io/x", "glob"}, {"b.r.io/x/y/z", "globpath"}}},
		{"scheme and version", auths("https://r.io/v1/", "u:1", "https://s.io/v2/team", "u:2"), []filesAsk{{"r.io/a", "1"}, {"s.io/team/a", "2"}, {"s.io", ""}}},
		{"docker hub", auths("https://index.docker.io/v1/", "u:1"), []filesAsk{{"docker.io/library/a", "1"}, {"registry-1.docker.io", "1"}}},
		{"dockercfg", `{"r.io":{"auth":"dTox","email":"e@x"},"*.s.io":{"username":"u","password":"2"}}`, []filesAsk{{"r.io/a", "1"}, {"a.s.io", "2"}}},
		{"bad entries and keys", `{"auths":{"r.io":12,"[":{"auth":"dTox"},"a b":{"auth":"dTox"},"*.io":{"auth":"dTo5"},"s.io":{"auth":"` + b64(canary) + `"}}}`, []filesAsk{{"r.io", "9"}, {"s.io", "9"}, {"x.example", ""}}},
		{"nothing", `{}`, []filesAsk{{"r.io", ""}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := filesSecret(t, tc.content, MatchKubelet)
			for _, a := range tc.asks {
				a.put(t, p)
			}
		})
	}
}

// Test14Matchings: the same bytes by docker's rules and by podman's.
func Test14Matchings(t *testing.T) {
	const content = `{"auths":{"r.io":{"identitytoken":"id"},"r.io/a":{"auth":"dTox"},"*.s.io":{"auth":"dToy"}},"credsStore":"never-run"}`
	for m, want := range map[Matching]string{MatchDocker: "identity token", MatchContainers: "anonymous", MatchKubelet: "identity token"} {
		p := filesSecret(t, content, m)
		c, err := p.Credential(t.Context(), Resource{Host: "r.io"})
		if c.kind() != want || (err == nil) == c.IsZero() {
			t.Errorf("%d: %s, %v", m, c.kind(), err)
		}
		filesAsk{"r.io/a/b", "1"}.put(t, p)
		filesAsk{"x.s.io", map[bool]string{true: "2"}[m == MatchKubelet]}.put(t, p)
	}
	for _, bad := range []string{"", canary, `["` + canary + `"]`, `{"auths":"` + canary + `"}`, `{"auths":{"r.io":{"auth":"` + canary} {
		_, err := FromDockerConfigJSON([]byte(bad), MatchDocker)
		if !errors.Is(err, ErrConfigInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
		noCanary(t, "error", fmt.Sprint(err))
	}
	for _, m := range []Matching{-1, 3} {
		if _, err := FromDockerConfigJSON([]byte("{}"), m); err == nil {
			t.Errorf("the matching %d was accepted", m)
		}
		if _, err := FromDockerConfigFile("x", m).Credential(t.Context(), Resource{Host: "r.io"}); !errors.Is(err, ErrConfigInvalid) {
			t.Errorf("the matching %d: %v", m, err)
		}
	}
	inside := struct{ p Provider }{filesSecret(t, auths("r.io", "u:"+canary), MatchDocker)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		noCanary(t, verb, fmt.Sprintf(verb, inside)+fmt.Sprintf(verb, inside.p))
	}
}

// TestPullSecretFile: a mounted pull secret is replaced by a link to another
// directory, and the next look-up sees it.
func TestPullSecretFile(t *testing.T) {
	dir := t.TempDir()
	p := FromDockerConfigFile(filepath.Join(dir, "..data", ".dockerconfigjson"), MatchKubelet)
	_, err := p.Credential(t.Context(), Resource{Host: "r.io"})
	if !errors.Is(err, ErrConfigInvalid) || !strings.Contains(err.Error(), ".dockerconfigjson") {
		t.Errorf("missing: %v", err)
	}
	for _, secret := range []string{"1", "2"} {
		filesMake(t, filepath.Join(dir, "v"+secret, ".dockerconfigjson"), auths("*.r.io", "u:"+secret))
		link := filepath.Join(dir, "..data_tmp")
		if err := os.Symlink("v"+secret, link); err != nil && runtime.GOOS == "windows" {
			t.Skip(err) // which wants a right for it
		} else if err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link, filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
		filesAsk{"a.r.io", secret}.put(t, p)
	}
	found, err := Explain(t.Context(), p, Resource{Host: "s.io"})
	if err != nil || len(found) != 1 || found[0].Outcome != OutcomeNone || found[0].Origin.Location == "" {
		t.Errorf("explained as %+v, %v", found, err)
	}
}

func FuzzPullSecret(f *testing.F) {
	for _, s := range []string{auths("r.io", "u:p"), `{"r.io":{"auth":"dTox"}}`, `{"auths":{"*.r.io":{"identitytoken":"t"},"[":1}}`, `{`, `null`, `{"auths":null}`} {
		f.Add([]byte(s), "a.r.io/b")
	}
	f.Fuzz(func(t *testing.T, data []byte, asked string) {
		r, err := ParseResource(asked)
		if err != nil {
			return
		}
		for _, m := range []Matching{MatchDocker, MatchContainers, MatchKubelet} {
			p, err := FromDockerConfigJSON(data, m)
			if err != nil {
				continue
			}
			first, err := p.Credential(t.Context(), r)
			again, _ := p.Credential(t.Context(), r)
			switch {
			case first.Origin != again.Origin || !first.sameSecrets(again):
				t.Fatalf("%q answers for %s by %s, then by %s", data, r, first.Origin, again.Origin)
			case err == nil && first.check() != nil:
				t.Fatalf("%q has for %s what cannot be used", data, r)
			case err != nil && !errors.Is(err, ErrNoCredential):
				t.Fatal(err)
			}
		}
	})
}
