package gar

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// TestNotMine shows that nothing is asked, nowhere, for a host that only looks
// like a registry of Google.
func TestNotMine(t *testing.T) {
	g := newGoogle(t)
	g.file(g.keyFile())
	p := g.provider(g.options())
	for _, host := range []string{
		"", "pkg.dev", "docker.pkg.dev", "-docker.pkg.dev", "us-maven.pkg.dev", "us-docker.pkg.dev.evil.example", "us-docker.pkg.dev:5000", "evil.us-docker.pkg.dev",
		"usdocker.pkg.dev", "us-docker.pkg.dev.", "us-docker-pkg.dev", "us-docker.pkg.dev@evil.example", "user@us-docker.pkg.dev", "us-docker.pkg.dev\n", "us\n-docker.pkg.dev",
		"evilgcr.io", "gcr.io.evil.example", "a.b.gcr.io", ".gcr.io", "gcr.io:80", "-.gcr.io", "k8s.gcr.iox", "evil.example/gcr.io", "US-docker.pkg.dev",
		"xn---docker.pkg.dev", strings.Repeat("a", 64) + ".gcr.io", "gcr.io:443:443", "googleapis.com", "ghcr.io",
	} {
		r := auth.Resource{Host: host}
		if c, err := p.Credential(t.Context(), r); !errors.Is(err, auth.ErrNoCredential) || !c.IsZero() {
			t.Errorf("%q: %v", host, err)
		}
		if _, err := p.(auth.Renewer).Renew(t.Context(), r, auth.Credential{}); !errors.Is(err, auth.ErrNoCredential) {
			t.Errorf("renew for %q: %v", host, err)
		}
		if f, err := auth.Explain(t.Context(), p, r); err != nil || len(f) != 1 || f[0].Outcome != auth.OutcomeNone || f[0].Reason == "" {
			t.Errorf("explain %q: %+v, %v", host, f, err)
		}
	}
	if len(g.hosts) > 0 {
		t.Errorf("connections to %q", g.hosts)
	}
}

// TestNoIdentity shows that a machine without an identity has no credential,
// and that it is not looked for again and again.
func TestNoIdentity(t *testing.T) {
	r := auth.Resource{Host: registry}
	none := func(t *testing.T, g *google, opts *Options) {
		t.Helper()
		if _, err := g.provider(opts).Credential(t.Context(), r); !errors.Is(err, auth.ErrNoCredential) {
			t.Error(err)
		}
	}
	t.Run("no account is attached", func(t *testing.T) {
		g := newGoogle(t)
		g.noAccount = true
		none(t, g, g.options())
	})
	t.Run("another account is attached", func(t *testing.T) {
		g := newGoogle(t)
		opts := g.options()
		opts.ServiceAccount = robot
		if _, err := g.provider(opts).Credential(t.Context(), r); err == nil || errors.Is(err, auth.ErrNoCredential) || !strings.Contains(err.Error(), "attach") {
			t.Error(err)
		}
	})
	t.Run("left out", func(t *testing.T) {
		g := newGoogle(t)
		opts := g.options()
		opts.NoMetadata = true
		if none(t, g, opts); len(g.hosts) > 0 {
			t.Errorf("connections to %q", g.hosts)
		}
	})
	t.Run("the metadata service of another cloud", func(t *testing.T) {
		g := newGoogle(t)
		g.flavor = ""
		if none(t, g, g.options()); g.count("machine") > 0 {
			t.Error("it is asked for a token")
		}
	})
	t.Run("no home directory", func(t *testing.T) {
		g := newGoogle(t)
		g.noMachine = true
		t.Setenv("HOME", "")
		none(t, g, g.options())
	})
	t.Run("a metadata address that does not answer", func(t *testing.T) {
		g := newGoogle(t)
		opts := g.options()
		opts.MetadataTransport = silent{}
		before := time.Now()
		if none(t, g, opts); time.Since(before) > 2*probeTimeout {
			t.Errorf("after %s", time.Since(before))
		}
	})
	t.Run("nobody at the metadata address", func(t *testing.T) {
		g := newGoogle(t)
		g.noMachine = true
		p := &provider{opts: *g.options()}
		now := time.Now()
		p.sources = []source{&machineSource{provider: p, now: func() time.Time { return now }}}
		for _, step := range []struct {
			after time.Duration
			dials int
		}{{0, 1}, {absenceTTL - 1, 1}, {1, 2}} {
			now = now.Add(step.after)
			if _, err := p.Credential(t.Context(), r); !errors.Is(err, auth.ErrNoCredential) || len(g.hosts) != step.dials {
				t.Errorf("%v after %d dials, want %d", err, len(g.hosts), step.dials)
			}
		}
	})
}

// silent is a network that swallows what is sent.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}
