package chart_test

import (
	"testing"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// schemes are the two kinds of registry that budgets hold for.
var schemes = []struct {
	name    string
	options registrytest.Options
}{
	{"open", registrytest.Options{}},
	{"bearer", registrytest.Options{Auth: registrytest.Bearer, Users: map[string]string{"me": "canary"}}},
}

// costs compares what happened since the last Reset with a budget.
func (h *harbour) costs(t *testing.T, what, methods string, tokens int) {
	t.Helper()
	c := h.Cost()
	if c.Methods() != methods {
		t.Errorf("%s: %s, want %q", what, c, methods)
	}
	if c.Tokens != tokens || c.Challenges > tokens {
		t.Errorf("%s: %d challenges and %d tokens, want at most 1 and %d", what, c.Challenges, c.Tokens, tokens)
	}
	h.Reset()
}

func TestPullBudget(t *testing.T) {
	for _, scheme := range schemes {
		t.Run(scheme.name, func(t *testing.T) {
			token := int(scheme.options.Auth) / int(registrytest.Bearer)
			h := newHarbour(t, scheme.options, cache.Policy{})
			h.push(t, "1.0.0", "1.1.0", "2.0.0-rc.1")
			tag := h.repo.WithTag("1.0.0")
			h.Reset()

			h.client = h.newClient(t, cache.Policy{})
			cold := h.pull(t, h.client, tag, chart.PullOptions{})
			h.costs(t, "pull by tag, nothing cached", "GET GET", token)
			if cold.Origin.From != cache.FromNetwork {
				t.Errorf("cold pull from %s", cold.Origin.From)
			}
			h.pull(t, h.client, tag, chart.PullOptions{})
			if c := h.Cost(); c.Sent != 0 {
				t.Errorf("an unchanged tag cost %d bytes of body", c.Sent)
			}
			h.costs(t, "pull by tag, unchanged", "HEAD", 0)
			h.pull(t, h.newClient(t, cache.Policy{}), tag, chart.PullOptions{})
			h.costs(t, "pull by tag, unchanged, new process", "HEAD", token)

			digest := tag.WithDigest(cold.Manifest.Digest)
			byDigest := h.pull(t, h.client, digest, chart.PullOptions{})
			if byDigest.Origin.From != cache.FromCache {
				t.Errorf("pull by digest from %s", byDigest.Origin.From)
			}
			h.pull(t, h.client, h.repo.WithDigest(cold.Manifest.Digest), chart.PullOptions{})
			h.pull(t, h.newClient(t, cache.Policy{MaxAge: time.Hour}), tag, chart.PullOptions{})
			h.pull(t, h.newClient(t, cache.Policy{Offline: true}), tag, chart.PullOptions{})
			h.costs(t, "pulls by digest, within max-age, offline", "", 0)

			newest := h.pull(t, h.client, h.repo, chart.PullOptions{})
			if newest.Version != "1.1.0" {
				t.Errorf("newest stable version is %s", newest.Version)
			}
			h.costs(t, "newest version, not cached", "GET GET GET", 0)
			h.pull(t, h.client, h.repo, chart.PullOptions{Selector: chart.Selector{Version: "^1"}})
			h.costs(t, "newest version in a range, cached", "GET HEAD", 0)
		})
	}
}

func TestPushBudget(t *testing.T) {
	large := noise(400 << 10)
	for _, scheme := range schemes {
		t.Run(scheme.name, func(t *testing.T) {
			token := int(scheme.options.Auth) / int(registrytest.Bearer)
			h := newHarbour(t, scheme.options, cache.Policy{})
			small, big := voyage(t, "1.0.0"), voyage(t, "2.0.0", large...)
			if small.Layer.Size > 64<<10 || big.Layer.Size <= 64<<10 {
				t.Fatalf("layers of %d and %d bytes test nothing", small.Layer.Size, big.Layer.Size)
			}
			for _, tc := range []struct {
				what    string
				packed  *chart.Packed
				options chart.PushOptions
				most    int
				exists  bool
			}{
				{"new chart with small blobs", small, chart.PushOptions{}, 6, false},
				{"the same again", small, chart.PushOptions{}, 1, true},
				{"new chart with a large layer", big, chart.PushOptions{}, 8, false},
				{"new chart with a further tag", voyage(t, "3.0.0"), chart.PushOptions{Tags: []string{"edge"}}, 8, false},
				{"a further tag", big, chart.PushOptions{Tags: []string{"latest"}}, 3, true},
				{"a further tag again", big, chart.PushOptions{Tags: []string{"latest"}}, 2, true},
			} {
				pushed, err := h.client.Push(t.Context(), tc.packed, h.repo, tc.options)
				if err != nil {
					t.Fatal(tc.what, err)
				}
				c := h.Cost()
				if c.Requests > tc.most || c.Tokens > token || c.Challenges > token {
					t.Errorf("%s: %s, want at most %d requests and %d tokens", tc.what, c, tc.most, token)
				}
				if pushed.Exists != tc.exists {
					t.Errorf("%s: exists %v, want %v", tc.what, pushed.Exists, tc.exists)
				}
				if !tc.exists && c.Received != pushed.Sent {
					t.Errorf("%s: says %d bytes were sent, the registry received %d", tc.what, pushed.Sent, c.Received)
				}
				h.Reset()
				token = 0
			}
		})
	}
}

// pseudo is a line of noise that does not change between runs.
func pseudo(i int) []byte {
	x := uint64(i)*0x9e3779b97f4a7c15 + 1
	var line []byte
	for range 40 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		line = append(line, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/"[x%64])
	}
	return line
}

// noise is n bytes of comment lines that hardly compress.
func noise(n int) []byte {
	var all []byte
	for i := 0; len(all) < n; i++ {
		all = append(append(all, "\n# "...), pseudo(i)...)
	}
	return all
}
