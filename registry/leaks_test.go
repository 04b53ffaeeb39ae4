package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

func leakDescriptor(data []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromBytes(data), Size: int64(len(data))}
}

// Test53NothingLeaksToAnotherHost: whatever way a registry leads its clients,
// no secret of a host reaches another one.
func Test53NothingLeaksToAnotherHost(t *testing.T) {
	secret := auth.NewSecret
	for _, tc := range []struct {
		name   string
		bearer bool
		origin auth.Credential
		proof  leak // that the credential was used
	}{
		{"password", false, auth.Credential{Username: "me", Password: secret("leak-origin-password")}, leak{"origin", "origin", "password"}},
		{"password for tokens", true, auth.Credential{Username: "me", Password: secret("leak-origin-password")}, leak{"realm", "origin", "password"}},
		{"identity token", true, auth.Credential{IdentityToken: secret("leak-origin-identity")}, leak{"realm", "origin", "identity"}},
		{"ready token", true, auth.Credential{RegistryToken: secret("leak-origin-ready")}, leak{"origin", "origin", "ready"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			long, single := filler(2<<20), append([]byte("origin only"), filler(1000)...)
			layers := []ocispec.Descriptor{leakDescriptor(long), leakDescriptor(single)}
			manifest, err := json.Marshal(ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
				Config: leakDescriptor([]byte("{}")), Layers: layers})
			if err != nil {
				t.Fatal(err)
			}
			r := newLeakRegistry(t, tc.bearer, long, single, manifest)
			r.tour(t, r.client(t, tc.origin), layers)
			r.judge(t, tc.proof)
		})
	}
}

// tour does all that a client does. What must succeed for the rest to mean
// anything does; the rest is led astray.
func (r *leakRegistry) tour(t *testing.T, client *registry.Client, layers []ocispec.Descriptor) {
	t.Helper()
	ctx, host := t.Context(), r.hosts["origin"].at()
	repo, err := client.Repository(registry.Reference{Host: host, Repository: "team/app"})
	if err != nil {
		t.Fatal(err)
	}
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	desc, err := repo.Resolve(ctx, "1")
	must("resolve", err)
	for _, d := range append(layers, desc) {
		_, err := fetchAll(ctx, repo, d)
		must("fetch "+d.MediaType, err)
	}
	for _, data := range [][]byte{filler(10), filler(100 << 10)} {
		must("push", repo.Push(ctx, leakDescriptor(data), bytes.NewReader(data)))
	}
	manifest := []byte(`{"schemaVersion":2}`)
	d := leakDescriptor(manifest)
	d.MediaType = ocispec.MediaTypeImageManifest
	must("push a manifest", repo.PushReference(ctx, d, bytes.NewReader(manifest), "2"))
	leakAstray(ctx, client, repo, desc)

	moved, err := client.Repository(registry.Reference{Host: host, Repository: "team/moved"})
	if err != nil {
		t.Fatal(err)
	}
	leakAstray(ctx, client, moved, desc)
	_, _ = moved.Resolve(ctx, "1")
	_, _ = fetchAll(ctx, moved, layers[1])
	_ = moved.Push(ctx, layers[1], bytes.NewReader(r.content[layers[1].Digest]))
	_ = moved.PushReference(ctx, d, bytes.NewReader(manifest), "2")

	req, err := http.NewRequest(http.MethodGet, r.hosts["origin"].URL+"/charts/index.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", "session=leak-origin-cookie")
	req.Header.Set("Private-Token", "leak-origin-caller")
	for _, preemptive := range []bool{true, false} {
		if resp, err := client.Do(ctx, req, registry.AuthHint{Preemptive: preemptive}); err == nil {
			resp.Body.Close()
		}
	}
	_, _ = client.Login(ctx, auth.NewMemoryStore(), host, auth.Credential{Username: "me", Password: auth.NewSecret("leak-origin-password")})
}

// leakAstray asks for what is listed page by page, and what is written.
func leakAstray(ctx context.Context, client *registry.Client, repo *registry.Repository, desc ocispec.Descriptor) {
	for range registry.Tags(ctx, repo) {
	}
	for range registry.Referrers(ctx, repo, desc, "") {
	}
	for range client.Repositories(ctx, repo.Reference().Host) {
	}
	_, _ = client.Capabilities(ctx, repo.Reference())
	_, _ = repo.Mount(ctx, desc, registry.Reference{Host: repo.Reference().Host, Repository: "team/other"})
	_ = repo.Delete(ctx, desc)
}

// judge looks at what every host was sent. A token server is told who asks:
// that is what it is there for.
func (r *leakRegistry) judge(t *testing.T, proof leak) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for l, when := range r.seen {
		toldRealm := l.at == "realm" && l.owner == "origin" && (l.kind == "password" || l.kind == "identity")
		// Where an upload is led to, nothing says who asks, not even to its own host.
		led := l.at == "upload" && (l.kind == "header" || l.kind == "certificate")
		if l.at != l.owner && !toldRealm || led {
			t.Errorf("the %s of the %s reached the %s, in %s", l.kind, l.owner, l.at, when)
		}
	}
	want := []leak{proof, {"proxy", "proxy", "password"}, {"mirror", "mirror", "password"},
		{"storage", "storage", "signature"}, {"depot", "depot", "signature"}, {"upload", "upload", "signature"}, {"foreign", "foreign", "signature"}}
	for name := range r.hosts {
		if name == "realm" && proof.kind != "password" && proof.kind != "identity" || name == "realm" && !r.bearer {
			continue // nobody needs it
		}
		if name == "upload" {
			continue // its signed URL alone
		}
		want = append(want, leak{name, name, "header"}, leak{name, name, "certificate"})
	}
	for _, l := range want {
		if _, ok := r.seen[l]; !ok {
			t.Errorf("the %s of the %s did not reach the %s, so this test has not seen what it is about", l.kind, l.owner, l.at)
		}
	}
}
