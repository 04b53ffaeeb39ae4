package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/registry"
)

const someDigest = digest.Digest("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

func TestParseReference(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     registry.Reference
	}{
		{"tag", "ghcr.io/team/app:1.0.0", registry.Reference{Host: "ghcr.io", Repository: "team/app", Tag: "1.0.0"}},
		{"scheme", "oci://ghcr.io/team/app:1.0.0", registry.Reference{Host: "ghcr.io", Repository: "team/app", Tag: "1.0.0"}},
		{"none", "ghcr.io/team/app", registry.Reference{Host: "ghcr.io", Repository: "team/app"}},
		{"digest", "ghcr.io/app@" + string(someDigest), registry.Reference{Host: "ghcr.io", Repository: "app", Digest: someDigest}},
		{"both", "ghcr.io/app:1@" + string(someDigest), registry.Reference{Host: "ghcr.io", Repository: "app", Tag: "1", Digest: someDigest}},
		{"at the root", "localhost:5000/app:1", registry.Reference{Host: "localhost:5000", Repository: "app", Tag: "1"}},
		{"localhost", "localhost/app", registry.Reference{Host: "localhost", Repository: "app"}},
		{"single label with port", "registry:5000/app", registry.Reference{Host: "registry:5000", Repository: "app"}},
		{"tag like a port", "ghcr.io/app:5000", registry.Reference{Host: "ghcr.io", Repository: "app", Tag: "5000"}},
		{"port and no tag", "ghcr.io:5000/team/app", registry.Reference{Host: "ghcr.io:5000", Repository: "team/app"}},
		{"build metadata", "ghcr.io/app:1.0.0+b.1", registry.Reference{Host: "ghcr.io", Repository: "app", Tag: "1.0.0_b.1"}},
		{"build metadata as tag", "ghcr.io/app:1.0.0_b.1", registry.Reference{Host: "ghcr.io", Repository: "app", Tag: "1.0.0_b.1"}},
		{"IPv6", "[::1]:5000/app:1", registry.Reference{Host: "[::1]:5000", Repository: "app", Tag: "1"}},
		{"IPv6 without port", "[::1]/app:1", registry.Reference{Host: "[::1]", Repository: "app", Tag: "1"}},
		{"upper-case host", "GHCR.io/app:1", registry.Reference{Host: "ghcr.io", Repository: "app", Tag: "1"}},
		{"upper-case tag", "ghcr.io/app:RC1", registry.Reference{Host: "ghcr.io", Repository: "app", Tag: "RC1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := registry.ParseReference(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("got %#v, want %#v", got, tc.want)
			}
			if again, err := registry.ParseReference(got.String()); err != nil || again != got {
				t.Errorf("round trip of %s: %#v, %v", got, again, err)
			}
		})
	}
}

func TestParseReferenceRefuses(t *testing.T) {
	for _, tc := range []struct{ name, in, says string }{
		{"empty", "", "no repository"},
		{"host alone", "ghcr.io", "no repository"},
		{"host and port alone", "localhost:5000", "no repository"},
		{"no host", "team/app:1.0.0", "no registry host"},
		{"a version for a port", "ghcr.io:1.0.0/app", "no port"},
		{"port out of range", "ghcr.io:70000/app", "no port"},
		{"https", "https://ghcr.io/team/app:1.0.0", "write ghcr.io/team/app:1.0.0"},
		{"upper case", "ghcr.io/Team/App:1", "write ghcr.io/team/app"},
		{"empty segment", "ghcr.io//app", "no repository name"},
		{"dots", "ghcr.io/../app", "no repository name"},
		{"empty tag", "ghcr.io/app:", "no tag"},
		{"tag with slash", "ghcr.io/app:a/b", "no repository name"},
		{"long tag", "ghcr.io/app:" + strings.Repeat("a", 129), "no tag"},
		{"empty digest", "ghcr.io/app@", "no digest"},
		{"short digest", "ghcr.io/app@sha256:12", "no digest"},
		{"unknown algorithm", "ghcr.io/app@md5:d41d8cd98f00b204e9800998ecf8427e", "no digest"},
		{"long name", "ghcr.io/" + strings.Repeat("a", 260), "255"},
		{"host and digest", "ghcr.io@" + string(someDigest), "no repository"},
		{"space", "ghcr.io/my app", "no repository name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := registry.ParseReference(tc.in)
			if !errors.Is(err, registry.ErrInvalidReference) {
				t.Fatalf("got %v, %v, want an invalid reference", got, err)
			}
			var re *registry.ReferenceError
			if !errors.As(err, &re) || re.Reference != tc.in {
				t.Errorf("error %#v does not carry the reference", err)
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%q does not say %q", err, tc.says)
			}
		})
	}
}

func TestParseReferenceHidesPasswords(t *testing.T) {
	for _, in := range []string{"bob:canary@ghcr.io/app", "oci://bob:canary@ghcr.io/app:1", "https://bob:canary@ghcr.io/app", "bob:can@ary@ghcr.io/app", "canary@ghcr.io"} {
		_, err := registry.ParseReference(in)
		if !errors.Is(err, registry.ErrInvalidReference) {
			t.Errorf("%s: %v", in, err)
		}
		if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, "can") {
			t.Errorf("the password is in %s", text)
		}
	}
}

func TestReferenceJSON(t *testing.T) {
	type result struct{ Reference registry.Reference }
	in := result{registry.Reference{Host: "ghcr.io", Repository: "app", Tag: "1", Digest: someDigest}}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out result
	if err := json.Unmarshal(text, &out); err != nil || out != in {
		t.Errorf("%s came back as %v, %v", text, out, err)
	}
	if err := json.Unmarshal([]byte(`{"Reference":"nonsense"}`), &out); !errors.Is(err, registry.ErrInvalidReference) {
		t.Errorf("nonsense: %v", err)
	}
}

func FuzzParseReference(f *testing.F) {
	for _, seed := range []string{"ghcr.io/team/app:1.0.0", "oci://localhost:5000/a@" + string(someDigest), "[::1]:5/a:b", "a:1/b:2+3@x", "HOST/a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := registry.ParseReference(in)
		if err != nil {
			return
		}
		if again, err := registry.ParseReference(got.String()); err != nil || again != got {
			t.Errorf("%q parses to %#v, printed as %s parses to %#v, %v", in, got, got, again, err)
		}
	})
}
