package e2e_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

const (
	tenantsEach = 8               // goroutines of each tenant
	tenantsTime = 3 * time.Second // that they work
)

// tenant is one of two that share a process and a family of clients.
type tenant struct {
	name   string
	canary string // in its charts, and in nobody else's
	client *chart.Client
	packed *chart.Packed
	pulled atomic.Int32
	denied atomic.Int32
}

// TestTenantsShareAProcess lets two tenants pull and push their own charts and
// reach for each other's through clients of one family: each gets what is its
// own, is denied what is the other's, and no token of the one goes out for the
// other.
//
// With a cache they share its directory as well, each in a partition of its own.
func TestTenantsShareAProcess(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{"no cache": "", "one cache": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testTenants(t, dir)
		})
	}
}

func testTenants(t *testing.T, cacheDir string) {
	service := startAuthService(t, authServiceOptions{})
	reg := startRegistry(t, registryOptions{tokens: service.tokenServer})
	var wrong sync.Map
	front := startProxy(t, reg, func(r *http.Response) error {
		// Nobody but alice ever asks for what lies below alice/own, and so on.
		if owner, rest, _ := strings.Cut(strings.TrimPrefix(r.Request.URL.Path, "/v2/"), "/"); strings.HasPrefix(rest, "own") {
			if who := tenantOf(r.Request.Header.Get("Authorization")); who != owner && who != "" {
				wrong.Store(fmt.Sprintf("%s %s with the token of %s", r.Request.Method, r.Request.URL.Path, who), true)
			}
		}
		return nil
	})

	var tenants []*tenant
	var family *registry.Client
	for _, name := range []string{"alice", "bob"} {
		secret := auth.NewSecret("secret of " + name)
		service.admit(name, name+":"+secret.Reveal())
		provider := auth.Static(auth.Resource{Host: front}, auth.Credential{Username: name, Password: secret})
		if family == nil {
			var err error
			if family, err = registry.NewClient(&registry.Options{Credentials: provider}); err != nil {
				t.Fatal(err)
			}
			tenants = append(tenants, newTenant(t, name, family, cacheDir))
			continue
		}
		tenants = append(tenants, newTenant(t, name, family.With(provider), cacheDir))
	}
	for _, who := range tenants {
		who.seed(t, front)
	}

	ctx, cancel := context.WithTimeout(t.Context(), tenantsTime)
	defer cancel()
	var all sync.WaitGroup
	for i, who := range tenants {
		other := tenants[1-i]
		for worker := range tenantsEach {
			all.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					who.work(t, front, fmt.Sprintf("own-%d-%d", worker, n))
					who.reach(t, front, other)
				}
			})
		}
	}
	all.Wait()
	wrong.Range(func(what, _ any) bool { t.Error(what); return true })
	for _, who := range tenants {
		t.Logf("%s: %d charts of its own, denied %d times", who.name, who.pulled.Load(), who.denied.Load())
		if who.pulled.Load() < tenantsEach || who.denied.Load() < tenantsEach {
			t.Errorf("%s has done too little to show anything", who.name)
		}
	}
	anonymous := newTenant(t, "nobody", family.With(nil), cacheDir)
	for _, who := range tenants {
		anonymous.reach(t, front, who)
	}
}

// tenantOf reads whose token a request carries; empty is nobody's.
func tenantOf(authorization string) string {
	parts := strings.Split(authorization, ".")
	if len(parts) != 3 {
		return ""
	}
	var claims struct{ Sub string }
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(data, &claims) != nil {
		return "a token that is none"
	}
	return claims.Sub
}

func newTenant(t *testing.T, name string, client *registry.Client, cacheDir string) *tenant {
	t.Helper()
	who := &tenant{name: name, canary: "canary of " + name}
	options := chart.ClientOptions{Registry: client}
	var err error
	if cacheDir != "" {
		if options.Cache, err = cache.Open(cacheDir, &cache.Options{Partition: name}); err != nil {
			t.Fatal(err)
		}
	}
	if who.client, err = chart.NewClient(&options); err != nil {
		t.Fatal(err)
	}
	dir := chartDir(t, t.TempDir(), "harbour", "1.0.0")
	writeFile(t, dir+"/secret.txt", []byte(who.canary))
	if who.packed, err = chart.Pack(t.Context(), dir, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { who.packed.Close() })
	return who
}

func tenantRef(t *testing.T, format string, args ...any) registry.Reference {
	ref, err := registry.ParseReference(fmt.Sprintf(format, args...))
	if err != nil {
		t.Error(err)
	}
	return ref
}

// seed puts the chart where the other one reaches for it.
func (who *tenant) seed(t *testing.T, host string) {
	t.Helper()
	if _, err := who.client.Push(t.Context(), who.packed, tenantRef(t, "%s/%s/shown", host, who.name), chart.PushOptions{}); err != nil {
		t.Fatal(err)
	}
}

// work pushes to a new repository of the tenant's own, and pulls from it.
func (who *tenant) work(t *testing.T, host, repository string) {
	ref := tenantRef(t, "%s/%s/%s", host, who.name, repository)
	if _, err := who.client.Push(t.Context(), who.packed, ref, chart.PushOptions{}); err != nil {
		t.Errorf("%s: %v", who.name, err)
		return
	}
	pulled, err := who.client.Pull(t.Context(), ref.WithTag("1.0.0"), chart.PullOptions{})
	if err != nil {
		t.Errorf("%s: %v", who.name, err)
		return
	}
	defer pulled.Close()
	if pulled.Layer.Digest != who.packed.Layer.Digest {
		t.Errorf("%s has got another chart, %s", who.name, pulled.Layer.Digest)
	}
	who.pulled.Add(1)
}

// reach goes for what is another's: by the tag, by the digest, and by a push.
func (who *tenant) reach(t *testing.T, host string, other *tenant) {
	ref := tenantRef(t, "%s/%s/shown:1.0.0", host, other.name)
	for _, ref := range []registry.Reference{ref, tenantRef(t, "%s@%s", ref.Repo(), other.packed.Manifest.Digest)} {
		pulled, err := who.client.Pull(t.Context(), ref, chart.PullOptions{})
		if err == nil {
			pulled.Close()
		}
		who.mustBeDenied(t, other, err)
	}
	if who.name == "nobody" {
		return
	}
	_, err := who.client.Push(t.Context(), who.packed, ref, chart.PushOptions{Force: true})
	who.mustBeDenied(t, other, err)
}

func (who *tenant) mustBeDenied(t *testing.T, other *tenant, err error) {
	if !errors.Is(err, registry.ErrDenied) && !errors.Is(err, registry.ErrUnauthorized) {
		t.Errorf("%s reaches what is %s's: %v", who.name, other.name, err)
		return
	}
	if s := fmt.Sprintf("%v %+v", err, err); strings.Contains(s, "canary of") || strings.Contains(s, "secret of") {
		t.Errorf("%s reads in an error: %s", who.name, s)
	}
	who.denied.Add(1)
}
