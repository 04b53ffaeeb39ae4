package auth

import (
	"errors"
	"testing"
)

func TestGitHubToken(t *testing.T) {
	t.Setenv("GITHUB_TOKEN", canary)
	t.Setenv("GITHUB_ACTOR", "ann")
	for _, source := range DefaultSources() {
		if source == SourceGitHub {
			t.Error("it is a default source")
		}
	}
	p, err := NewDefault(&DefaultOptions{Sources: []Source{SourceGitHub}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.Credential(t.Context(), Resource{Host: "ghcr.io", Path: "team/app"})
	if err != nil || c.Username != "ann" || c.Password.Reveal() != canary || c.Origin.String() != "environment GITHUB_TOKEN (ghcr.io)" {
		t.Errorf("%q from %s, %v", c.Username, c.Origin, err)
	}
	for _, host := range []string{"ghcr.io:443", "x.ghcr.io", "ghcr.io.example.com", "docker.io", "containers.ghcr.io"} {
		if _, err := p.Credential(t.Context(), Resource{Host: host}); !errors.Is(err, ErrNoCredential) {
			t.Errorf("%s: %v", host, err)
		}
	}
	t.Setenv("GITHUB_ACTOR", "")
	if c, err := p.Credential(t.Context(), Resource{Host: "ghcr.io"}); err != nil || c.Username == "" {
		t.Errorf("without an actor: %q, %v", c.Username, err)
	}
	t.Setenv("GITHUB_TOKEN", "")
	if _, err := p.Credential(t.Context(), Resource{Host: "ghcr.io"}); !errors.Is(err, ErrNoCredential) || errors.Is(err, ErrConfigInvalid) {
		t.Errorf("without a token: %v", err)
	}
}
