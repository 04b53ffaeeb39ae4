package registry_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// capabilities of a host, of which the test says only what it is about.
func capabilities(t *testing.T, client *registry.Client, ref registry.Reference) registry.Capabilities {
	t.Helper()
	c, err := client.Capabilities(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func capabilitiesClient(t *testing.T, options *registry.Options) *registry.Client {
	t.Helper()
	client, err := registry.NewClient(options)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestCapabilities(t *testing.T) {
	for name, options := range map[string]registrytest.Options{
		"open":   {},
		"bearer": {Auth: registrytest.Bearer, Users: map[string]string{"me": "canary"}, NoReferrers: true},
		"basic":  {Auth: registrytest.Basic, Users: map[string]string{"me": "canary"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t, &options)
			me := auth.Static(auth.Resource{Host: s.Host}, auth.Credential{Username: "me", Password: auth.NewSecret("canary")})
			repo := repository(t, s, &registry.Options{Credentials: me})
			manifest, _ := artifact(t, repo, "1", "content")
			if err := repo.Tag(t.Context(), manifest, "2"); err != nil {
				t.Fatal(err)
			}
			client := capabilitiesClient(t, &registry.Options{Credentials: me})
			s.Reset()
			got := capabilities(t, client, repo.Reference())
			answered := 5
			if options.Auth != registrytest.Open {
				answered-- // the base is asked as nobody, and challenges
			}
			if c := s.Cost(); got.Requests != 5 || len(strings.Fields(c.Methods())) != answered {
				t.Errorf("cost %s, and says %d", c, got.Requests)
			}
			wantScheme := map[string][]registry.Challenge{"open": {}, "basic": {{Scheme: "basic", Realm: "registrytest"}},
				"bearer": {{Scheme: "bearer", Realm: s.URL + "/token", Service: "registrytest"}}}[name]
			if diff := cmp.Diff(wantScheme, got.Authentication.Value); diff != "" {
				t.Errorf("authentication (-want +got):\n%s", diff)
			}
			wantReferrers := registry.Supported
			if options.NoReferrers {
				wantReferrers = registry.Unsupported
			}
			if got.Referrers.Value != wantReferrers || got.Referrers.Source != registry.SourceProbe || got.Referrers.Requests != 1 {
				t.Errorf("referrers %+v, want %s", got.Referrers, wantReferrers)
			}
			if got.TagPaging.Value != registry.Supported || got.TagPaging.Source != registry.SourceProbe || got.Catalog.Value != registry.CatalogListed || got.Extensions.Value == nil {
				t.Errorf("got %v", got)
			}
			if got.Mount.Source != registry.SourceNone || got.Mount.Value != registry.Unknown {
				t.Errorf("mount %+v", got.Mount)
			}
			s.Reset()
			if again := capabilities(t, client, repo.Reference()); again.Requests != 0 || s.Cost().Methods() != "" {
				t.Errorf("once more it cost %s", s.Cost())
			} else if diff := cmp.Diff(got, again, cmpopts.IgnoreFields(registry.Capabilities{}, "Requests"), cmpopts.IgnoreUnexported(registry.Fact[string]{}, registry.Fact[[]string]{}, registry.Fact[[]registry.Challenge]{}, registry.Fact[registry.Support]{}, registry.Fact[registry.CatalogAccess]{}, registry.Fact[int]{}, registry.Fact[int64]{})); diff != "" {
				t.Errorf("once more (-want +got):\n%s", diff)
			}
			if other := capabilities(t, client.With(nil), registry.Reference{Host: s.Host}); other.Requests != 3 {
				t.Errorf("another identity was told in %d requests", other.Requests)
			}
		})
	}
}

// TestCapabilitiesOfAManifest: with a tag, ETags are asked about too.
func TestCapabilitiesOfAManifest(t *testing.T) {
	for _, tc := range []struct {
		name               string
		etag, heeded       bool
		hasETag, unchanged registry.Support
	}{
		{"neither", false, false, registry.Unsupported, registry.Unsupported},
		{"ETag", true, false, registry.Supported, registry.Unsupported},
		{"both", true, true, registry.Supported, registry.Supported},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if !strings.Contains(req.URL.Path, "/manifests/") {
					w.WriteHeader(http.StatusNotFound)
					return
				}
				if tc.etag {
					w.Header().Set("ETag", `"x"`)
				}
				if tc.heeded && req.Header.Get("If-None-Match") == `"x"` {
					w.WriteHeader(http.StatusNotModified)
				}
			}))
			defer s.Close()
			got := capabilities(t, capabilitiesClient(t, nil), registry.Reference{Host: strings.TrimPrefix(s.URL, "http://"), Repository: "app", Tag: "1"})
			if got.ManifestETag.Value != tc.hasETag || got.NotModified.Value != tc.unchanged {
				t.Errorf("ETag %v, 304 %v", got.ManifestETag, got.NotModified)
			}
		})
	}
}

// TestCapabilitiesOfCatalogs: what an answer to this identity says, and what
// it does not.
func TestCapabilitiesOfCatalogs(t *testing.T) {
	const harbor = `Bearer realm="https://harbor.invalid/service/token",service="harbor-registry"`
	for _, tc := range []struct {
		name, challenge string
		status          int
		body            string
		extensions      string
		want            registry.CatalogAccess
		source          registry.FactSource
	}{
		{"missing", "", 404, "", "", registry.CatalogNone, registry.SourceProbe},
		{"no method", "", 405, "", "", registry.CatalogNone, registry.SourceProbe},
		{"unauthorized", "", 401, "", "", registry.CatalogUnknown, registry.SourceProbe},
		{"denied", "", 403, "", "", registry.CatalogAdmin, registry.SourceProbe},
		{"limited", "", 429, "", "", registry.CatalogUnknown, registry.SourceNone},
		{"listed", "", 200, `{"repositories":["a"]}`, "", registry.CatalogListed, registry.SourceProbe},
		{"null", "", 200, `{"repositories":null}`, "", registry.CatalogListed, registry.SourceProbe},
		{"no list", "", 200, `[]`, "", registry.CatalogUnknown, registry.SourceProbe},
		{"zot", "", 200, `{"repositories":["a"]}`, `{"extensions":[{"name":"_zot","url":"x"}]}`, registry.CatalogFiltered, registry.SourceKnown},
		{"harbor, some user", harbor, 401, "", "", registry.CatalogAdmin, registry.SourceKnown},
		{"harbor, administrator", harbor, 200, `{"repositories":["a"]}`, "", registry.CatalogAll, registry.SourceKnown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				switch req.URL.Path {
				case "/v2/":
					if tc.challenge != "" {
						w.Header().Set("WWW-Authenticate", tc.challenge)
						w.WriteHeader(http.StatusUnauthorized)
					}
				case "/v2/_catalog":
					w.WriteHeader(tc.status)
					io.WriteString(w, tc.body)
				default:
					if tc.extensions == "" {
						w.WriteHeader(http.StatusNotFound)
					}
					io.WriteString(w, tc.extensions)
				}
			}))
			defer s.Close()
			got := capabilities(t, capabilitiesClient(t, &registry.Options{Retry: registry.Retry{Attempts: 1}}), registry.Reference{Host: strings.TrimPrefix(s.URL, "http://")})
			if got.Catalog.Value != tc.want || got.Catalog.Source != tc.source {
				t.Errorf("catalog %+v, want %s by %s", got.Catalog, tc.want, tc.source)
			}
			if got.Referrers.Value != registry.Unknown || got.TagPaging.Value != registry.Unknown {
				t.Errorf("without a repository: %v", got)
			}
		})
	}
}

// TestCapabilitiesAreLearned: what normal work has shown is not asked again.
func TestCapabilitiesAreLearned(t *testing.T) {
	s := server(t, nil)
	client := capabilitiesClient(t, nil)
	repo, err := client.Repository(registry.Reference{Host: s.Host, Repository: "team/app"})
	if err != nil {
		t.Fatal(err)
	}
	manifest, layer := artifact(t, repo, "1", "content")
	if err := repo.Tag(t.Context(), manifest, "2"); err != nil {
		t.Fatal(err)
	}
	refer(t, repo, manifest, "application/x", "a")
	other, err := client.Repository(registry.Reference{Host: s.Host, Repository: "team/other"})
	if err != nil {
		t.Fatal(err)
	}
	if mounted, err := other.Mount(t.Context(), layer, repo.Reference()); !mounted || err != nil {
		t.Fatal(mounted, err)
	}
	if err := other.Delete(t.Context(), layer); err != nil {
		t.Fatal(err)
	}
	if err := repo.Untag(t.Context(), "2"); err != nil {
		t.Fatal(err)
	}
	for range client.Repositories(t.Context(), s.Host) {
	}
	s.Reset()
	got := capabilities(t, client, repo.Reference())
	if paths := s.Requests(); got.Requests != 3 || len(paths) != 3 || paths[0].Path != "/v2/" || paths[1].Path != "/v2/_oci/ext/discover" || paths[2].Path != "/v2/team/app/tags/list" {
		t.Errorf("asked for %+v", paths)
	}
	for name, fact := range map[string]registry.Fact[registry.Support]{
		"referrers": got.Referrers, "mount": got.Mount, "delete": got.Delete, "untag": got.Untag,
	} {
		if fact.Value != registry.Supported || fact.Source != registry.SourceLearned || fact.Requests != 0 {
			t.Errorf("%s is %+v", name, fact)
		}
	}
}

// TestCapabilitiesOfAMissingRepository: it says nothing of the host, and
// nothing of the next one.
func TestCapabilitiesOfAMissingRepository(t *testing.T) {
	s := server(t, nil)
	repo := repository(t, s, nil)
	artifact(t, repo, "1", "content")
	client := capabilitiesClient(t, nil)
	if got := capabilities(t, client, registry.Reference{Host: s.Host, Repository: "absent"}); got.Referrers.Value != registry.Unknown {
		t.Errorf("referrers %+v", got.Referrers)
	}
	if got := capabilities(t, client, registry.Reference{Host: s.Host, Repository: "absent"}); got.Requests != 0 {
		t.Errorf("once more cost %d requests", got.Requests)
	}
	if got := capabilities(t, client, repo.Reference()); got.Referrers.Value != registry.Supported || got.Requests != 2 {
		t.Errorf("of another repository: %+v in %d requests", got.Referrers, got.Requests)
	}
}
