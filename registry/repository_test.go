package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/errdef"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// repository opens team/app on the server.
func repository(t *testing.T, s *registrytest.Server, options *registry.Options) *registry.Repository {
	t.Helper()
	client, err := registry.NewClient(impatient(options))
	if err != nil {
		t.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: s.Host, Repository: "team/app"})
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// impatient options try failures again as often as the default and sooner.
func impatient(options *registry.Options) *registry.Options {
	var o registry.Options
	if options != nil {
		o = *options
	}
	if o.Retry.Wait == 0 {
		o.Retry.Wait = time.Millisecond
	}
	return &o
}

func server(t *testing.T, options *registrytest.Options) *registrytest.Server {
	t.Helper()
	s := registrytest.New(options)
	t.Cleanup(s.Close)
	return s
}

// artifact pushes one layer and a manifest under tag and returns both.
func artifact(t *testing.T, repo *registry.Repository, tag, content string) (manifest, layer ocispec.Descriptor) {
	t.Helper()
	push := func(mediaType string, b []byte, how func(ocispec.Descriptor, io.Reader) error) ocispec.Descriptor {
		desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}
		if err := how(desc, bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
		return desc
	}
	blob := func(d ocispec.Descriptor, r io.Reader) error { return repo.Push(t.Context(), d, r) }
	layer = push("application/octet-stream", []byte(content), blob)
	config := push(ocispec.MediaTypeEmptyJSON, []byte("{}"), blob)
	b, err := json.Marshal(ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{layer}})
	if err != nil {
		t.Fatal(err)
	}
	manifest = push(ocispec.MediaTypeImageManifest, b, func(d ocispec.Descriptor, r io.Reader) error {
		return repo.PushReference(t.Context(), d, r, tag)
	})
	return manifest, layer
}

func TestRepository(t *testing.T) {
	ctx := t.Context()
	s := server(t, nil)
	repo := repository(t, s, nil)
	manifest, layer := artifact(t, repo, "1.0.0_b", "content")

	for _, reference := range []string{"1.0.0_b", "1.0.0+b", manifest.Digest.String(), s.Host + "/team/app:1.0.0_b"} {
		got, err := repo.Resolve(ctx, reference)
		if err != nil || got.Digest != manifest.Digest || got.Size != manifest.Size || got.MediaType != manifest.MediaType {
			t.Errorf("Resolve(%s) = %v, %v, want %v", reference, got, err, manifest)
		}
	}
	desc, rc, err := repo.FetchReference(ctx, "1.0.0_b")
	if err != nil || desc.Digest != manifest.Digest {
		t.Fatalf("FetchReference: %v, %v", desc, err)
	}
	if b, err := io.ReadAll(rc); err != nil || digest.FromBytes(b) != manifest.Digest {
		t.Errorf("read %q, %v", b, err)
	}
	rc.Close()
	rc, err = repo.Fetch(ctx, layer)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(rc); err != nil || string(b) != "content" {
		t.Errorf("read %q, %v", b, err)
	}
	rc.Close()
	if err := repo.Tag(ctx, manifest, "latest"); err != nil {
		t.Error(err)
	}
	var tags []string
	for tag, err := range registry.Tags(ctx, repo) {
		if err != nil {
			t.Fatal(err)
		}
		tags = append(tags, tag)
	}
	if want := []string{"1.0.0_b", "latest"}; !slices.Equal(tags, want) {
		t.Errorf("tags = %v, want %v", tags, want)
	}
	for range registry.Tags(ctx, repo) {
		break // a consumer may stop
	}
	ok, err := repo.Exists(ctx, layer)
	if err != nil || !ok {
		t.Errorf("Exists = %v, %v", ok, err)
	}
	absent := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: someDigest}
	if ok, err := repo.Exists(ctx, absent); ok || err != nil {
		t.Errorf("Exists of what is not there = %v, %v", ok, err)
	}
}

func TestNotFound(t *testing.T) {
	s := server(t, nil)
	repo := repository(t, s, nil)
	artifact(t, repo, "1", "content")
	_, err := repo.Resolve(t.Context(), "2")
	for _, target := range []error{registry.ErrNotFound, fs.ErrNotExist, errdef.ErrNotFound} {
		if !errors.Is(err, target) {
			t.Errorf("%v does not match %v", err, target)
		}
	}
	var e *registry.Error
	if !errors.As(err, &e) || e.Op != "resolve" || e.Reference.Tag != "2" {
		t.Errorf("error = %#v", e)
	}
	if n := strings.Count(err.Error(), s.Host+"/team/app:2"); n != 1 {
		t.Errorf("%q names the reference %d times", err, n)
	}
	for _, bad := range []string{"", "-x", "sha256:12", "other.example/team/app:1"} {
		if _, err := repo.Resolve(t.Context(), bad); !errors.Is(err, registry.ErrInvalidReference) {
			t.Errorf("Resolve(%q): %v", bad, err)
		}
	}
}

func TestFaults(t *testing.T) {
	for _, tc := range []struct {
		name   string
		faults registrytest.Faults
		want   error
		says   string
	}{
		{"cut", registrytest.Faults{Cut: true}, registry.ErrUnavailable, ""},
		{"HTML", registrytest.Faults{HTML: true}, registry.ErrUnavailable, "HTML page"},
		{"500", registrytest.Faults{Status: 500, Code: "UNKNOWN"}, registry.ErrUnavailable, "500"},
		{"429", registrytest.Faults{Status: 429, Code: "TOOMANYREQUESTS"}, registry.ErrRateLimited, "429"},
		{"corrupt manifest", registrytest.Faults{Match: registrytest.Manifests, Corrupt: true}, registry.ErrDigestMismatch, ""},
		{"corrupt blob", registrytest.Faults{Match: registrytest.Blobs, Corrupt: true}, registry.ErrDigestMismatch, ""},
		{"truncated manifest", registrytest.Faults{Match: registrytest.Manifests, Truncate: true}, registry.ErrUnavailable, ""},
		{"truncated blob", registrytest.Faults{Match: registrytest.Blobs, Truncate: true}, registry.ErrUnavailable, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := server(t, nil)
			repo := repository(t, s, nil)
			_, layer := artifact(t, repo, "1", "content")
			s.SetFaults(&tc.faults)
			err := pull(t.Context(), repo, layer)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error = %v, want %v saying %q", err, tc.want, tc.says)
			}
			var e *registry.Error
			if !errors.As(err, &e) || e.Reference.IsZero() {
				t.Errorf("error %#v names no reference", err)
			}
		})
	}
	t.Run("down", func(t *testing.T) {
		s := server(t, nil)
		repo := repository(t, s, nil)
		s.Close()
		if _, err := repo.Resolve(t.Context(), "1"); !errors.Is(err, registry.ErrUnavailable) {
			t.Errorf("error = %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := repository(t, server(t, nil), nil).Resolve(ctx, "1")
		if !errors.Is(err, context.Canceled) || errors.Is(err, registry.ErrUnavailable) {
			t.Errorf("error = %v, want only the context's", err)
		}
	})
	t.Run("no digest header", func(t *testing.T) {
		s := server(t, nil)
		repo := repository(t, s, nil)
		manifest, _ := artifact(t, repo, "1", "content")
		s.SetFaults(&registrytest.Faults{NoDigestHeader: true})
		desc, rc, err := repo.FetchReference(t.Context(), "1")
		if err != nil || desc.Digest != manifest.Digest {
			t.Fatalf("%v, %v", desc, err)
		}
		rc.Close()
	})
}

// pull reads the manifest under tag 1, then the blob.
func pull(ctx context.Context, repo *registry.Repository, layer ocispec.Descriptor) error {
	_, rc, err := repo.FetchReference(ctx, "1")
	if err != nil {
		return err
	}
	defer rc.Close()
	if _, err := io.Copy(io.Discard, rc); err != nil {
		return err
	}
	rc, err = repo.Fetch(ctx, layer)
	if err != nil {
		return err
	}
	defer rc.Close()
	_, err = io.Copy(io.Discard, rc)
	return err
}

func TestRedirectLeavesTheIdentityBehind(t *testing.T) {
	var leaked []string
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		leaked = append(leaked, req.Header.Get("Authorization")+req.Header.Get("Cookie"))
		w.Write([]byte("content"))
	}))
	defer store.Close()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, password, _ := req.BasicAuth(); password != "canary" {
			w.Header().Set("WWW-Authenticate", `Basic realm="front"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.Redirect(w, req, store.URL+"/blob?X-Signature=canary", http.StatusTemporaryRedirect)
	}))
	defer front.Close()
	host := strings.TrimPrefix(front.URL, "http://")
	client, err := registry.NewClient(&registry.Options{
		Credentials: auth.Static(auth.Resource{Host: host}, auth.Credential{Username: "me", Password: auth.NewSecret("canary")}),
	})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: host, Repository: "app"})
	if err != nil {
		t.Fatal(err)
	}
	rc, err := repo.Fetch(t.Context(), ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromString("content"), Size: 7})
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if b, err := io.ReadAll(rc); err != nil || string(b) != "content" {
		t.Errorf("read %q, %v", b, err)
	}
	if len(leaked) != 1 || leaked[0] != "" {
		t.Errorf("the other host was sent %q", leaked)
	}
	rc, err = repo.Fetch(t.Context(), ocispec.Descriptor{MediaType: "application/octet-stream", Digest: someDigest, Size: 7})
	if err == nil {
		_, err = io.ReadAll(rc)
		rc.Close()
	}
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("error = %v: it must not show the signature", err)
	}
}

func TestORASCopiesBothWays(t *testing.T) {
	ctx := t.Context()
	s := server(t, nil)
	repo := repository(t, s, nil)
	manifest, _ := artifact(t, repo, "1", "content")
	store := memory.New()
	if _, err := oras.Copy(ctx, repo, "1", store, "1", oras.DefaultCopyOptions); err != nil {
		t.Fatalf("from our repository: %v", err)
	}
	other := repository(t, server(t, nil), nil)
	got, err := oras.Copy(ctx, store, "1", other, "2", oras.DefaultCopyOptions)
	if err != nil || got.Digest != manifest.Digest {
		t.Fatalf("into our repository: %v, %v", got, err)
	}
	if desc, err := other.Resolve(ctx, "2"); err != nil || desc.Digest != manifest.Digest {
		t.Errorf("after the copy: %v, %v", desc, err)
	}
	var _ registry.Target = store // and theirs are ours
}
