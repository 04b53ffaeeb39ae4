package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/registry"
)

var someAliases = map[string]string{
	"team":      "registry.example.com/team",
	"team/deep": "oci://other.example:5000/d",
	"app.v2":    "registry.example.com/apps/two",
}

func aliasClient(t testing.TB, aliases map[string]string) *registry.Client {
	t.Helper()
	client, err := registry.NewClient(&registry.Options{Aliases: aliases})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestAliases(t *testing.T) {
	const digest = "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	client := aliasClient(t, someAliases)
	for in, want := range map[string]string{
		"team/app:1.0.0+x":      "registry.example.com/team/app:1.0.0_x",
		"team":                  "registry.example.com/team",
		"team:1":                "registry.example.com/team:1",
		"team/app:1" + digest:   "registry.example.com/team/app:1" + digest,
		"team" + digest:         "registry.example.com/team" + digest,
		"team/deep":             "other.example:5000/d",
		"team/deep/app":         "other.example:5000/d/app",
		"team/deeper":           "registry.example.com/team/deeper",
		"app.v2:1":              "registry.example.com/apps/two:1",
		"app.v2/x":              "app.v2/x", // a host stands there
		"team:5000/app":         "team:5000/app",
		"localhost/team/app":    "localhost/team/app",
		"ghcr.io/team/app":      "ghcr.io/team/app",
		"oci://ghcr.io/team/ap": "ghcr.io/team/ap",
	} {
		got, err := client.ParseReference(in)
		if err != nil || got.String() != want {
			t.Errorf("%s: %v, %v, want %s", in, got, err, want)
		}
		if again, err := client.ParseReference(got.String()); again != got || err != nil {
			t.Errorf("%s again: %v, %v", got, again, err)
		}
	}
	for in, says := range map[string]string{
		"teams/app":       "app.v2, team, team/deep",
		"x":               "app.v2, team, team/deep",
		"team/App":        `by the alias "team"`,
		"team/app:":       "is no tag",
		"":                "no registry host",
		"oci://team/app":  "no registry host",
		"me:canary@team":  "user name and password",
		"me:canary@team/": "user name and password",
	} {
		_, err := client.ParseReference(in)
		if !errors.Is(err, registry.ErrInvalidReference) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v, want an error that says %q", in, err, says)
		}
	}
	if _, err := aliasClient(t, nil).ParseReference("team/app"); err == nil || strings.Contains(err.Error(), "alias") {
		t.Errorf("without aliases: %v", err)
	}
}

func TestAliasesAreValidated(t *testing.T) {
	for name, tc := range map[string]struct{ key, value, says string }{
		"host before it":   {"r.example/team", "x.example/a", "begins with a host"},
		"localhost":        {"localhost", "x.example/a", "begins with a host"},
		"with a port":      {"a:5000/b", "x.example/a", "short name"},
		"no name":          {"", "x.example/a", "short name"},
		"capitals":         {"Team", "x.example/a", "short name"},
		"to another alias": {"a", "team/b", "no registry host"},
		"to a host":        {"a", "x.example", "no repository"},
		"to a tag":         {"a", "x.example/a:1", "tag or a digest"},
		"to a URL":         {"a", "https://x.example/a", "no prefix"},
	} {
		_, err := registry.NewClient(&registry.Options{Aliases: map[string]string{tc.key: tc.value, "good": "x.example/a"}})
		if err == nil || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), "alias") {
			t.Errorf("%s: %v, want an error that says %q", name, err, tc.says)
		}
	}
}

// FuzzClientParseReference: what is read is a full reference, which reads as
// itself, and whatever has a host reads as it does without aliases.
func FuzzClientParseReference(f *testing.F) {
	for _, seed := range []string{"team/app:1", "team", "team/deep/x@sha256:" + strings.Repeat("0", 64), "localhost/a", "a:1/b", "oci://a.b/c", "me:x@team", "[::1]/a", "app.v2"} {
		f.Add(seed)
	}
	client := aliasClient(f, someAliases)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := client.ParseReference(s)
		plain, perr := registry.ParseReference(s)
		if perr == nil && (err != nil || got != plain) {
			t.Fatalf("%q is %v without aliases, and %v (%v) with them", s, plain, got, err)
		}
		if err != nil {
			if !errors.Is(err, registry.ErrInvalidReference) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if again, err := client.ParseReference(got.String()); err != nil || again != got {
			t.Fatalf("%q is %v, which is %v (%v)", s, got, again, err)
		}
	})
}
