package chart_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// judge is a Verifier made of a function.
type judge func(ctx context.Context, s chart.Subject) (string, error)

func (j judge) Verify(ctx context.Context, s chart.Subject) (string, error) { return j(ctx, s) }

func says(by string, err error) judge {
	return func(context.Context, chart.Subject) (string, error) { return by, err }
}

// verified is a client of the harbour with a Verifier, and with its cache.
func (h *harbour) verified(t *testing.T, policy cache.Policy, v chart.Verifier) *chart.Client {
	t.Helper()
	r, err := registry.NewClient(&registry.Options{Retry: soon})
	if err != nil {
		t.Fatal(err)
	}
	store := cache.None()
	if h.dir != "" {
		if store, err = cache.Open(h.dir, nil); err != nil {
			t.Fatal(err)
		}
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: r, Cache: store, Policy: &policy, Verifier: v})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestVerifierAnswers(t *testing.T) {
	refused := errors.Join(chart.ErrVerification, errors.New("forged"))
	for _, tc := range []struct {
		name     string
		verifier chart.Verifier
		want     error
		by       []string
	}{
		{"nobody is asked", nil, nil, nil},
		{"vouches", says("alice", nil), nil, []string{"alice"}},
		{"nobody has to vouch", says("", nil), nil, nil},
		{"refuses", says("", refused), chart.ErrVerification, nil},
		{"refuses and names somebody", says("alice", refused), chart.ErrVerification, nil},
		{"cannot tell", says("", registry.ErrUnavailable), registry.ErrUnavailable, nil},
		{"two vouch", chart.Verifiers(says("alice", nil), says("bob", nil)), nil, []string{"alice", "bob"}},
		{"the second refuses", chart.Verifiers(says("alice", nil), says("", refused)), chart.ErrVerification, nil},
		{"two of three vouch, in a nest", chart.Verifiers(chart.Verifiers(says("alice", nil), says("", nil)), says("bob", nil)), nil, []string{"alice", "bob"}},
		{"none to ask", chart.Verifiers(), chart.ErrVerification, nil},
		{"none to ask, in a nest", chart.Verifiers(says("alice", nil), chart.Verifiers()), chart.ErrVerification, nil},
		{"what a terminal acts on", says("a\x1b[2Jb\nc", nil), nil, []string{"a[2Jb c"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHarbour(t, registrytest.Options{}, cache.Policy{})
			h.push(t, "1.0.0")
			h.Reset()
			pulled, err := h.verified(t, cache.Policy{}, tc.verifier).Pull(t.Context(), h.repo.WithTag("1.0.0"), chart.PullOptions{})
			if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
				t.Fatalf("error = %v, want %v", err, tc.want)
			}
			if err != nil {
				h.costs(t, "a chart that is not let pass", "GET", 0)
				return
			}
			defer pulled.Close()
			if !slices.Equal(pulled.Origin.VerifiedBy, tc.by) {
				t.Errorf("verified by %q, want %q", pulled.Origin.VerifiedBy, tc.by)
			}
		})
	}
}

// TestVerifierIsAskedEachTime: what the cache holds was let pass by another
// client, or before a key was revoked.
func TestVerifierIsAskedEachTime(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	ref := h.repo.WithTag("1.0.0")
	pulled := h.pull(t, h.client, ref, chart.PullOptions{})
	for name, policy := range map[string]cache.Policy{"confirmed": {}, "offline": {Offline: true}} {
		for _, ref := range []registry.Reference{ref, h.repo.WithDigest(pulled.Manifest.Digest)} {
			client := h.verified(t, policy, says("", chart.ErrVerification))
			if p, err := client.Pull(t.Context(), ref, chart.PullOptions{}); !errors.Is(err, chart.ErrVerification) {
				t.Errorf("%s, %s: %v, %v", name, ref, p, err)
			}
		}
	}
}

func TestSubject(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0+b.1")
	packed := voyage(t, "1.1.0")
	if _, err := h.client.Push(t.Context(), packed, h.repo, chart.PushOptions{Tags: []string{"latest", "1.1"}}); err != nil {
		t.Fatal(err)
	}
	digest := packed.Manifest.Digest
	for _, tc := range []struct {
		name    string
		ref     registry.Reference
		version string // selects
		want    string
	}{
		{"tag", h.repo.WithTag("1.1.0"), "", "1.1.0"},
		{"tag with build metadata", h.repo.WithTag("1.0.0_b.1"), "", "1.0.0+b.1"},
		{"range", h.repo, "^1", "1.1.0"},
		{"newest", h.repo, "", "1.1.0"},
		{"short tag", h.repo.WithTag("1.1"), "", "1.1"},
		{"tag that is no version", h.repo.WithTag("latest"), "", ""},
		{"digest", h.repo.WithDigest(digest), "", ""},
		{"tag beside a digest", h.repo.WithTag("1.0.0_b.1").WithDigest(digest), "", "1.0.0+b.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got chart.Subject
			client := h.verified(t, cache.Policy{}, judge(func(ctx context.Context, s chart.Subject) (string, error) {
				got = s
				if _, err := s.Source.Resolve(ctx, s.Manifest.Digest.String()); err != nil {
					return "", err
				}
				return "me", nil
			}))
			pulled := h.pull(t, client, tc.ref, chart.PullOptions{Selector: chart.Selector{Version: tc.version}})
			if got.Version != tc.want || got.Manifest.Digest != pulled.Manifest.Digest || got.Reference.Digest != pulled.Manifest.Digest ||
				got.Reference != pulled.Origin.Resolved || got.Layers.Chart.Digest != pulled.Layer.Digest {
				t.Errorf("subject %+v, want version %q of %s", got, tc.want, pulled.Origin.Resolved)
			}
		})
	}
}

// TestVerifierNames: an error names the reference that was judged.
func TestVerifierNames(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	_, err := h.verified(t, cache.Policy{}, says("", chart.ErrVerification)).Pull(t.Context(), h.repo, chart.PullOptions{})
	if err == nil || strings.Count(err.Error(), "team/voyage:1.0.0@sha256:") != 1 {
		t.Errorf("error = %v", err)
	}
}
