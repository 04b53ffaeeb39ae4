package chart_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// listsOps are what is asked of a repository with 1.0.0, 1.1.0 and 2.0.0-rc.1
// of which all is cached. Each tells where the answer came from.
func listsOps(h *harbour, pinned registry.Reference) map[string]func(ctx context.Context, c *chart.Client) (cache.Origin, error) {
	pull := func(ref registry.Reference, sel chart.Selector) func(context.Context, *chart.Client) (cache.Origin, error) {
		return func(ctx context.Context, c *chart.Client) (cache.Origin, error) {
			p, err := c.Pull(ctx, ref, chart.PullOptions{Selector: sel})
			if err != nil {
				return "", err
			}
			return p.Origin.From, p.Close()
		}
	}
	resolve := func(ref registry.Reference, sel chart.Selector) func(context.Context, *chart.Client) (cache.Origin, error) {
		return func(ctx context.Context, c *chart.Client) (cache.Origin, error) {
			r, err := c.Resolve(ctx, ref, sel)
			if err != nil {
				return "", err
			}
			return r.From, nil
		}
	}
	versions := func(options chart.VersionOptions) func(context.Context, *chart.Client) (cache.Origin, error) {
		return func(ctx context.Context, c *chart.Client) (from cache.Origin, err error) {
			options.Listed = func(l cache.Listing) { from = l.Origin }
			n := 0
			for v, verr := range c.Versions(ctx, h.repo, options) {
				err = errors.Join(err, verr, v.Err)
				n++
			}
			if n != 3 && err == nil {
				err = errors.New("not all versions")
			}
			return from, err
		}
	}
	return map[string]func(context.Context, *chart.Client) (cache.Origin, error){
		"pull tag":        pull(h.repo.WithTag("1.0.0"), chart.Selector{}),
		"pull digest":     pull(h.repo.WithDigest(pinned.Digest), chart.Selector{}),
		"pull tag@digest": pull(pinned, chart.Selector{}),
		"pull newest":     pull(h.repo, chart.Selector{}),
		"pull range":      pull(h.repo, chart.Selector{Version: "~1.0"}),
		"resolve tag":     resolve(h.repo.WithTag("1.0.0"), chart.Selector{}),
		"resolve digest":  resolve(pinned, chart.Selector{}),
		"resolve range":   resolve(h.repo, chart.Selector{Version: "^1"}),
		"resolve chart":   resolve(h.repo, chart.Selector{Version: "^1", Chart: "voyage"}),
		"layers": func(ctx context.Context, c *chart.Client) (cache.Origin, error) {
			_, r, err := c.Layers(ctx, h.repo.WithTag("1.0.0"))
			if err != nil {
				return "", err
			}
			return r.From, nil
		},
		"versions":               versions(chart.VersionOptions{Prereleases: true}),
		"versions with metadata": versions(chart.VersionOptions{Prereleases: true, Metadata: true}),
	}
}

// TestBudgetOfEachMode counts what a warm cache costs under each policy.
func TestBudgetOfEachMode(t *testing.T) {
	confirm := map[string]string{
		"pull tag": "HEAD", "pull digest": "", "pull tag@digest": "",
		"pull newest": "GET HEAD", "pull range": "GET HEAD",
		"resolve tag": "HEAD", "resolve digest": "", "resolve range": "GET HEAD", "resolve chart": "GET HEAD", "layers": "HEAD",
		"versions": "GET", "versions with metadata": "GET HEAD HEAD HEAD",
	}
	down := &registrytest.Faults{Cut: true}
	for _, scheme := range schemes {
		for _, mode := range []struct {
			name   string
			policy cache.Policy
			faults *registrytest.Faults
			cost   map[string]string // nil: nothing
			from   cache.Origin      // of a tag or a list
		}{
			{"confirm", cache.Policy{}, nil, confirm, cache.FromNetwork},
			{"max-age", cache.Policy{MaxAge: time.Hour}, nil, nil, cache.FromCache},
			{"max-age, registry down", cache.Policy{MaxAge: time.Hour}, down, nil, cache.FromCache},
			{"offline", cache.Policy{Offline: true}, nil, nil, cache.FromCache},
			{"stale if error, registry up", cache.Policy{StaleIfError: time.Hour}, nil, confirm, cache.FromNetwork},
			{"stale if error, registry down", cache.Policy{StaleIfError: time.Hour}, down, confirm, cache.FromStale},
		} {
			if mode.faults != nil && scheme.options.Auth != 0 {
				continue // nobody gives out tokens either
			}
			t.Run(scheme.name+", "+mode.name, func(t *testing.T) {
				h := newHarbour(t, scheme.options, cache.Policy{})
				h.push(t, "1.0.0", "1.1.0", "2.0.0-rc.1")
				var pinned registry.Reference
				for _, v := range []string{"1.0.0", "1.1.0", "2.0.0-rc.1"} {
					pinned = h.pull(t, h.client, h.repo.WithTag(v), chart.PullOptions{}).Origin.Resolved
				}
				h.described(t, h.client)
				h.SetFaults(mode.faults)
				for name, op := range listsOps(h, pinned) {
					token := int(scheme.options.Auth) / int(registrytest.Bearer)
					want, from := mode.cost[name], mode.from
					if strings.Contains(name, "digest") {
						from = cache.FromCache
					} else if strings.HasPrefix(name, "pull") && from == cache.FromNetwork {
						from = cache.FromCache // no byte of the archive was sent
					}
					if want == "" || mode.faults != nil {
						token = 0
					}
					h.Reset()
					got, err := op(t.Context(), h.newClient(t, mode.policy))
					if err != nil || got != from {
						t.Errorf("%s: from %q, %v; want %q", name, got, err, from)
					}
					if mode.faults != nil { // retries are the registry client's
						if asked := h.Cost().Requests > 0; asked != (want != "") {
							t.Errorf("%s: %s, want a request: %t", name, h.Cost(), want != "")
						}
						continue
					}
					if sent := h.Cost().Sent; token == 0 && !strings.Contains(want, "GET") && sent != 0 {
						t.Errorf("%s: %d bytes of body", name, sent)
					}
					h.listsCosts(t, name, want, token)
				}
			})
		}
	}
}

// listsCosts is costs, for requests in any order.
func (h *harbour) listsCosts(t *testing.T, what, methods string, tokens int) {
	t.Helper()
	c := h.Cost()
	got := strings.Fields(c.Methods())
	slices.Sort(got)
	if strings.Join(got, " ") != methods || c.Tokens != tokens || c.Challenges > tokens {
		t.Errorf("%s: %s, %d tokens; want %q and %d", what, c, c.Tokens, methods, tokens)
	}
	h.Reset()
}

// What is not there costs its questions once a minute within max-age, and each
// time else.
func TestBudgetOfAbsence(t *testing.T) {
	for _, scheme := range schemes {
		for _, tc := range []struct {
			name         string
			first, again string
			policy       cache.Policy
			ask          func(h *harbour, c *chart.Client) error
		}{
			{"version whose tag is spelled otherwise, confirm", "GET GET GET GET", "GET GET HEAD", cache.Policy{}, listsPull("", "v1.0.0")},
			{"version whose tag is spelled otherwise", "GET GET GET GET", "", cache.Policy{MaxAge: time.Hour}, listsPull("", "v1.0.0")},
			{"tag, confirm", "GET GET", "GET GET", cache.Policy{}, listsPull("9.9.9", "")},
			{"tag", "GET GET", "", cache.Policy{MaxAge: time.Hour}, listsPull("9.9.9", "")},
			{"range", "GET", "", cache.Policy{MaxAge: time.Hour}, listsPull("", "^9")},
			{"version in another spelling", "GET GET", "", cache.Policy{MaxAge: time.Hour}, listsPull("", "9.9.9")},
			{"repository", "GET GET", "", cache.Policy{MaxAge: time.Hour}, func(h *harbour, c *chart.Client) error {
				other := *h
				other.repo.Repository = "team/other"
				return listsPull("1.0.0", "")(&other, c)
			}},
			{"versions of no repository", "GET", "", cache.Policy{MaxAge: time.Hour}, func(h *harbour, c *chart.Client) error {
				for _, err := range c.Versions(context.Background(), registry.Reference{Host: h.Host, Repository: "team/other"}, chart.VersionOptions{}) {
					return err
				}
				return nil
			}},
			{"offline", "", "", cache.Policy{Offline: true}, listsPull("9.9.9", "")},
		} {
			t.Run(scheme.name+", "+tc.name, func(t *testing.T) {
				h := newHarbour(t, scheme.options, cache.Policy{})
				h.push(t, "1.0.0")
				client := h.newClient(t, tc.policy)
				for i, want := range []string{tc.first, tc.again} {
					h.Reset()
					found := strings.Contains(tc.name, "otherwise")
					if err := tc.ask(h, client); found != (err == nil) || !found && !errors.Is(err, registry.ErrNotFound) {
						t.Errorf("time %d: %v", i, err)
					}
					if got := h.Cost().Methods(); got != want {
						t.Errorf("time %d: %s, want %q", i, h.Cost(), want)
					}
				}
			})
		}
	}
}

func listsPull(tag, version string) func(*harbour, *chart.Client) error {
	return func(h *harbour, c *chart.Client) error {
		ref := h.repo
		if tag != "" {
			ref = ref.WithTag(tag)
		}
		p, err := c.Pull(context.Background(), ref, chart.PullOptions{Selector: chart.Selector{Version: version}})
		if err == nil {
			p.Close()
		}
		return err
	}
}

// A push costs the same under every policy, and is seen by who made it at once.
func TestBudgetOfPushing(t *testing.T) {
	for name, policy := range map[string]cache.Policy{
		"confirm": {}, "max-age": {MaxAge: time.Hour}, "stale if error": {StaleIfError: time.Hour}, "offline": {Offline: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarbour(t, registrytest.Options{}, policy)
			push := func(version string, exists bool, most int) {
				t.Helper()
				h.Reset()
				pushed, err := h.client.Push(t.Context(), voyage(t, version), h.repo, chart.PushOptions{})
				if err != nil || pushed.Exists != exists || h.Cost().Requests > most {
					t.Errorf("push %s: %+v, %v, %s; want at most %d requests", version, pushed, err, h.Cost(), most)
				}
				h.Reset()
			}
			push("1.0.0", false, 6)
			push("1.0.0", true, 1)
			if policy.Offline {
				return
			}
			for _, v := range []string{"1.1.0", "1.2.0"} {
				if _, err := h.client.Resolve(t.Context(), h.repo.WithTag(v), chart.Selector{}); !errors.Is(err, registry.ErrNotFound) {
					t.Fatal(err)
				}
				push(v, false, 6)
				if got, err := h.client.Resolve(t.Context(), h.repo, chart.Selector{}); err != nil || got.Version != v {
					t.Errorf("newest after the push of %s: %+v, %v", v, got, err)
				}
				want := "GET HEAD"
				if policy.MaxAge > 0 {
					want = "GET" // the list, which the push has changed
				}
				h.costs(t, "newest after a push", want, 0)
			}
		})
	}
}

// What a Verifier finds signatures by is there within max-age, and offline.
func TestBudgetOfReferrers(t *testing.T) {
	for _, options := range []registrytest.Options{{}, {NoReferrers: true}} {
		h := newHarbour(t, options, cache.Policy{})
		packed := voyage(t, "1.0.0")
		h.pushPacked(t, packed)
		empty := ocispec.DescriptorEmptyJSON
		if err := h.repository(t).Push(t.Context(), empty, strings.NewReader("{}")); err != nil {
			t.Fatal(err)
		}
		signature := h.putManifest(t, "", ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
			ArtifactType: "application/vnd.example.signature", Config: empty, Layers: []ocispec.Descriptor{empty}, Subject: &packed.Manifest})
		verifier := judge(func(ctx context.Context, s chart.Subject) (string, error) {
			lister, ok := s.Source.(registry.ReferrerLister)
			if !ok {
				return "", errors.New("no lister")
			}
			for d, err := range registry.Referrers(ctx, lister, s.Manifest, "application/vnd.example.signature") {
				if err != nil || d.Digest != signature.Digest {
					return "", errors.Join(err, chart.ErrVerification)
				}
				rc, err := s.Source.Fetch(ctx, d)
				read(t, rc, err)
				return d.Digest.String(), nil
			}
			return "", chart.ErrVerification
		})
		for _, step := range []struct {
			name   string
			policy cache.Policy
			lists  int
		}{
			{"cold", cache.Policy{}, 1},
			{"confirm", cache.Policy{}, 1},
			{"max-age", cache.Policy{MaxAge: time.Hour}, 0},
			{"offline", cache.Policy{Offline: true}, 0},
		} {
			h.Reset()
			p := h.pull(t, h.verified(t, step.policy, verifier), h.repo.WithTag("1.0.0"), chart.PullOptions{})
			if !slices.Equal(p.Origin.VerifiedBy, []string{signature.Digest.String()}) {
				t.Errorf("%s: verified by %q", step.name, p.Origin.VerifiedBy)
			}
			lists := 0
			for _, req := range h.Requests() {
				if req.Method == http.MethodGet && strings.Contains(req.Path, "/referrers/") {
					lists++
				}
			}
			if lists != step.lists {
				t.Errorf("%s: the list was asked for %d times, want %d", step.name, lists, step.lists)
			}
			if step.lists == 0 && h.Cost().Requests != 0 {
				t.Errorf("%s: %s", step.name, h.Cost())
			}
		}
	}
}
