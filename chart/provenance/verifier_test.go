package provenance_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/provenance"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// client trusts one key.
func client(t *testing.T, e *openpgp.Entity, opts *provenance.Options) *chart.Client {
	t.Helper()
	r, err := registry.NewClient(nil)
	must(t, err)
	v, err := provenance.NewVerifier(trusting(t, e), opts)
	must(t, err)
	c, err := chart.NewClient(&chart.ClientOptions{Registry: r, Cache: cache.None(), Verifier: v})
	must(t, err)
	return c
}

// pier packs a chart of that version, signed if there is a signer.
func pier(t *testing.T, version string, s chart.Signer) *chart.Packed {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "Chart.yaml"), []byte("apiVersion: v2\nname: pier\nversion: "+version+"\n"), 0o666))
	packed, err := chart.Pack(t.Context(), dir, &chart.PackOptions{Signer: s})
	must(t, err)
	t.Cleanup(func() { packed.Close() })
	return packed
}

// put stores a chart in a repository under any tags, as a registry can that
// is not to be trusted.
func put(t *testing.T, server *registrytest.Server, packed *chart.Packed, name string, tags ...string) {
	t.Helper()
	r, err := registry.NewClient(nil)
	must(t, err)
	repo, err := r.Repository(registry.Reference{Host: server.Host, Repository: name})
	must(t, err)
	for _, desc := range packed.Descriptors() {
		content, err := packed.Fetch(t.Context(), desc)
		must(t, err)
		must(t, repo.Push(t.Context(), desc, content))
	}
	for _, tag := range tags {
		must(t, repo.Tag(t.Context(), packed.Manifest, tag))
	}
}

func TestVerifier(t *testing.T) {
	server := registrytest.New(nil)
	defer server.Close()
	s := signer(t, alice())
	old, build := pier(t, "1.2.3", s), pier(t, "1.2.4+build.5", s)
	put(t, server, old, "team/pier", "1.2.3", "v1.2.3", "1.2", "latest", "1.2.9", "1.3", "2.0.0", "1.2.3-rc.1", "1.2.3_b")
	put(t, server, build, "team/pier", "1.2.4_build.5", "1.2.4")
	put(t, server, old, "team/dock", "1.2.3")
	put(t, server, pier(t, "1.2.5", nil), "team/pier", "1.2.5")
	put(t, server, pier(t, "1.2.6", signer(t, newKey(t, "Mallory", nil))), "team/pier", "1.2.6")
	put(t, server, swapped(t, pier(t, "1.2.7", nil), old), "team/pier", "1.2.7")
	ref := registry.Reference{Host: server.Host, Repository: "team/pier"}
	dock := registry.Reference{Host: server.Host, Repository: "team/dock", Tag: "1.2.3"}
	for _, tc := range []struct {
		name     string
		ref      registry.Reference
		selector string
		opts     *provenance.Options
		says     string // of the refusal; "" for none
	}{
		{"its version", ref.WithTag("1.2.3"), "", nil, ""},
		{"its version, spelled otherwise", ref.WithTag("v1.2.3"), "", nil, ""},
		{"its series", ref.WithTag("1.2"), "", nil, ""},
		{"latest", ref.WithTag("latest"), "", nil, ""},
		{"by digest", ref.WithDigest(old.Manifest.Digest), "", nil, ""},
		{"by tag and digest", ref.WithTag("1.2.3").WithDigest(old.Manifest.Digest), "", nil, ""},
		{"build metadata", ref.WithTag("1.2.4_build.5"), "", nil, ""},
		{"by range", ref, "~1.2.4, <1.2.5", nil, ""},
		{"under another name, where that is allowed", dock, "", &provenance.Options{AnyName: true}, ""},

		{"a rollback: an old version under a new tag", ref.WithTag("1.2.9"), "", nil, "signed version 1.2.3"},
		{"a rollback, by range", ref, "^2", nil, "signed version 1.2.3"},
		{"a rollback, resolved before", ref.WithTag("1.2.9").WithDigest(old.Manifest.Digest), "", nil, "signed version 1.2.3"},
		{"another series", ref.WithTag("1.3"), "", nil, "signed version 1.2.3"},
		{"a pre-release of it", ref.WithTag("1.2.3-rc.1"), "", nil, "signed version 1.2.3"},
		{"other build metadata", ref.WithTag("1.2.3_b"), "", nil, "signed version 1.2.3"},
		{"less build metadata", ref.WithTag("1.2.4"), "", nil, "signed version 1.2.4+build.5"},
		{"under another name", dock, "", nil, "signed the chart pier"},
		{"no provenance", ref.WithTag("1.2.5"), "", nil, "no provenance file"},
		{"an unknown signer", ref.WithTag("1.2.6"), "", nil, "not in the keyring"},
		{"provenance of another archive", ref.WithTag("1.2.7"), "", nil, "signed " + old.Layer.Digest.String()},
		{"before the key was", ref.WithTag("1.2.3"), "", &provenance.Options{Now: at(longAgo.Add(-time.Hour))}, "not valid yet"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server.Reset()
			pulled, err := client(t, alice(), tc.opts).Pull(t.Context(), tc.ref, chart.PullOptions{Selector: chart.Selector{Version: tc.selector}})
			if tc.says == "" {
				must(t, err)
				defer pulled.Close()
				if by := pulled.Origin.VerifiedBy; len(by) != 1 || !strings.HasPrefix(by[0], "Alice (charts) <alice@example.com> (OpenPGP ") {
					t.Errorf("verified by %q", by)
				}
				return
			}
			if !errors.Is(err, chart.ErrVerification) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, error %v, want one that says %q", pulled, err, tc.says)
			}
			for _, r := range server.Requests() {
				if strings.Contains(r.Path, "/blobs/") && r.Sent > 2000 || strings.Contains(r.Path, old.Layer.Digest.String()) {
					t.Errorf("the archive was asked for: %s", r)
				}
			}
		})
	}
}

// swapped is a chart with the provenance file of another.
func swapped(t *testing.T, packed, other *chart.Packed) *chart.Packed {
	t.Helper()
	content, err := other.Fetch(t.Context(), *other.Provenance)
	must(t, err)
	path := filepath.Join(t.TempDir(), "prov")
	f, err := os.Create(path)
	must(t, err)
	_, err = f.ReadFrom(content)
	must(t, errors.Join(err, f.Close()))
	a, err := chart.Read(packed.Archive().Reader(), nil)
	must(t, err)
	p, err := chart.PackArchive(t.Context(), a, &chart.PackOptions{Provenance: path})
	must(t, err)
	t.Cleanup(func() { p.Close() })
	return p
}

// TestVerifierCannotTell: a registry that does not give the provenance file
// out is no proof of a forgery.
func TestVerifierCannotTell(t *testing.T) {
	server := registrytest.New(nil)
	defer server.Close()
	packed := pier(t, "1.2.3", signer(t, alice()))
	put(t, server, packed, "team/pier", "1.2.3")
	server.SetFaults(&registrytest.Faults{Status: http.StatusForbidden, Code: "DENIED", Match: func(req *http.Request) bool {
		return strings.Contains(req.URL.Path, packed.Provenance.Digest.String())
	}})
	_, err := client(t, alice(), nil).Pull(t.Context(), registry.Reference{Host: server.Host, Repository: "team/pier", Tag: "1.2.3"}, chart.PullOptions{})
	if !errors.Is(err, registry.ErrDenied) || errors.Is(err, chart.ErrVerification) {
		t.Errorf("error = %v", err)
	}
}

func TestNewVerifierNeedsKeys(t *testing.T) {
	for _, k := range []*provenance.Keyring{nil, {}} {
		if v, err := provenance.NewVerifier(k, nil); !errors.Is(err, provenance.ErrKeyring) {
			t.Errorf("made %v, %v", v, err)
		}
	}
}
