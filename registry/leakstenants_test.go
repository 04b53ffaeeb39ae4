package registry_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

// leaksTenants is a registry that shows everyone another content under the same
// names: each user's has the user's name in it.
type leaksTenants struct {
	*httptest.Server

	mu   sync.Mutex
	uses map[string]int // of tokens
	made int
}

func newLeaksTenants(t *testing.T) *leaksTenants {
	s := &leaksTenants{uses: map[string]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func leaksManifest(who string) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"annotations":{"of":"canary-%s"}}`, ocispec.MediaTypeImageManifest, who)
}

func (s *leaksTenants) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == "/token" {
		who, password, _ := req.BasicAuth()
		if password != "canary-of-"+who {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.mu.Lock()
		s.made++
		n := s.made
		s.mu.Unlock()
		fmt.Fprintf(w, `{"token":"%s.%d"}`, who, n)
		return
	}
	token, _ := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	who, _, _ := strings.Cut(token, ".")
	s.mu.Lock()
	s.uses[token]++
	ended := s.uses[token] == 40 // once: a token that ends anew for each who holds it may end three times for one of them
	s.mu.Unlock()
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	switch {
	case token == "" || ended:
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.URL+`/token",service="s",scope="registry:catalog:*"`)
		w.WriteHeader(http.StatusUnauthorized)
	case strings.HasSuffix(req.URL.Path, "/_catalog"):
		if who == "two" { // who may not
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"repositories":["canary-of-%s"]}`, who)
	case strings.HasSuffix(req.URL.Path, "/tags/list"):
		fmt.Fprintf(w, `{"name":"team/app","tags":["canary-of-%s"]}`, who)
	case strings.Contains(req.URL.Path, "/manifests/"):
		manifest := leaksManifest(who)
		if last := req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:]; last != "1" && last != digest.FromBytes(manifest).String() {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(manifest).String())
		w.Header().Set("Content-Length", fmt.Sprint(len(manifest)))
		if req.Method == http.MethodGet {
			w.Write(manifest)
		}
	case req.URL.Path == "/v2/":
		io.WriteString(w, "{}")
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// Two identities of one client family, at once: neither gets the other's
// content, tags, repositories, or what was found out with the other's rights.
func Test41TenantsOfOneClient(t *testing.T) {
	s := newLeaksTenants(t)
	host := strings.TrimPrefix(s.URL, "http://")
	family, err := registry.NewClient(impatient(&registry.Options{
		Hosts: func(string) (registry.HostConfig, error) { return registry.HostConfig{MaxConcurrent: -1}, nil },
	}))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, who := range []string{"one", "two"} {
		client := family.With(auth.Static(auth.Resource{Host: host}, auth.Credential{Username: who, Password: auth.NewSecret("canary-of-" + who)}))
		for range 16 {
			wg.Go(func() {
				for range 6 {
					leaksTenantWorks(t, client, host, who)
				}
			})
		}
	}
	anonymous := family.With(nil)
	for range 4 {
		wg.Go(func() {
			repo, err := anonymous.Repository(registry.Reference{Host: host, Repository: "team/app"})
			if err != nil {
				t.Error(err)
				return
			}
			for range 10 {
				if d, err := repo.Resolve(t.Context(), "1"); !errors.Is(err, registry.ErrUnauthorized) {
					t.Errorf("nobody got %v, %v", d, err)
				}
			}
		})
	}
	wg.Wait()
	if s.made < 4 {
		t.Errorf("only %d tokens were asked for, so this test has not seen one renewed", s.made)
	}
}

// leaksTenantWorks does what a client does, and expects the tenant's own.
func leaksTenantWorks(t *testing.T, client *registry.Client, host, who string) {
	ctx := t.Context()
	repo, err := client.Repository(registry.Reference{Host: host, Repository: "team/app"})
	if err != nil {
		t.Error(err)
		return
	}
	want := digest.FromBytes(leaksManifest(who))
	d, err := repo.Resolve(ctx, "1")
	if err != nil || d.Digest != want {
		t.Errorf("%s got %s, %v", who, d.Digest, err)
		return
	}
	if content, err := fetchAll(ctx, repo, d); err != nil || string(content) != string(leaksManifest(who)) {
		t.Errorf("%s got %s, %v", who, content, err)
	}
	for tag, err := range registry.Tags(ctx, repo) {
		if err != nil || tag != "canary-of-"+who {
			t.Errorf("%s got the tag %q, %v", who, tag, err)
		}
	}
	for name, err := range client.Repositories(ctx, host) {
		if who == "two" != (err != nil) || err == nil && name != "canary-of-"+who {
			t.Errorf("%s got the repository %q, %v", who, name, err)
		}
	}
	known, err := client.Capabilities(ctx, registry.Reference{Host: host})
	if err != nil || (known.Catalog.Value == registry.CatalogAdmin) != (who == "two") {
		t.Errorf("%s got the catalog %q, %v", who, known.Catalog.Value, err)
	}
}
