package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func TestDelete(t *testing.T) {
	for name, options := range map[string]registrytest.Options{
		"open":   {},
		"bearer": {Auth: registrytest.Bearer, Users: map[string]string{"me": "canary"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t, &options)
			open := func() *registry.Repository {
				return repository(t, s, &registry.Options{Credentials: auth.Static(auth.Resource{Host: s.Host}, auth.Credential{Username: "me", Password: auth.NewSecret("canary")})})
			}
			manifest, layer := artifact(t, open(), "1", "content")
			tokens := int(options.Auth) / int(registrytest.Bearer)

			s.Reset()
			if err := open().Delete(t.Context(), manifest); err != nil {
				t.Fatal(err)
			}
			if c := s.Cost(); c.Methods() != "GET DELETE" || c.Tokens != tokens {
				t.Errorf("a manifest cost %s", c)
			}
			if _, err := open().Resolve(t.Context(), manifest.Digest.String()); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("the manifest after its deletion: %v", err)
			}
			s.Reset()
			if err := open().Delete(t.Context(), layer); err != nil {
				t.Fatal(err)
			}
			if c := s.Cost(); c.Methods() != "DELETE" || c.Tokens != tokens {
				t.Errorf("a blob cost %s", c)
			}
			if ok, err := open().Exists(t.Context(), layer); ok || err != nil {
				t.Errorf("the blob exists: %v, %v", ok, err)
			}
			for _, desc := range []ocispec.Descriptor{manifest, layer} {
				if err := open().Delete(t.Context(), desc); !errors.Is(err, registry.ErrNotFound) {
					t.Errorf("%s once more: %v", desc.MediaType, err)
				}
			}
			if err := open().Delete(t.Context(), ocispec.Descriptor{Digest: "1"}); !errors.Is(err, registry.ErrInvalidReference) {
				t.Errorf("no digest: %v", err)
			}
		})
	}
}

func TestUntag(t *testing.T) {
	s := server(t, nil)
	repo := repository(t, s, nil)
	manifest, _ := artifact(t, repo, "1.0.0_b", "content")
	if err := repo.Tag(t.Context(), manifest, "latest"); err != nil {
		t.Fatal(err)
	}
	s.Reset()
	if err := repo.Untag(t.Context(), "1.0.0+b"); err != nil {
		t.Fatal(err)
	}
	if methods := s.Cost().Methods(); methods != "DELETE" {
		t.Errorf("cost %s", methods)
	}
	if _, err := repo.Resolve(t.Context(), "1.0.0_b"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the tag is still there: %v", err)
	}
	if now, err := repo.Resolve(t.Context(), "latest"); err != nil || now.Digest != manifest.Digest {
		t.Errorf("the other tag: %v, %v", now, err)
	}
	s.Reset()
	for tag, want := range map[string]error{
		"1.0.0_b":                registry.ErrNotFound,
		string(manifest.Digest):  registry.ErrInvalidReference,
		"":                       registry.ErrInvalidReference,
		"../../other/manifests/": registry.ErrInvalidReference,
		repo.Reference().WithTag("latest").WithDigest(manifest.Digest).String(): registry.ErrInvalidReference,
	} {
		if err := repo.Untag(t.Context(), tag); !errors.Is(err, want) {
			t.Errorf("untag %q: %v, want %v", tag, err, want)
		}
	}
	if methods := s.Cost().Methods(); methods != "DELETE" {
		t.Errorf("what is no tag cost %s", methods)
	}
}

// TestDeleteWhereThatIsRefused: what registries say that delete nothing, or
// not this, and an answer that only looks like success.
// A 404 after a failure means that the attempt before has deleted, if that can
// have been so.
func TestUntagThatIsTriedAgain(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault registrytest.Faults
		found bool
	}{
		{"the answer is lost", registrytest.Faults{Cut: true}, true},
		{"a gateway gave up", registrytest.Faults{Status: http.StatusGatewayTimeout}, true},
		{"too many requests", registrytest.Faults{Status: http.StatusTooManyRequests}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := server(t, nil)
			repo := repository(t, s, nil)
			tc.fault.Times = 1
			s.SetFaults(&tc.fault)
			if err := repo.Untag(t.Context(), "gone"); errors.Is(err, registry.ErrNotFound) == tc.found {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func TestDeleteWhereThatIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		code   string
		want   error
	}{
		{"405", 405, "UNSUPPORTED", registry.ErrUnsupported},
		{"400 unsupported", 400, "UNSUPPORTED", registry.ErrUnsupported},
		{"501", 501, "", registry.ErrUnsupported},
		{"a tag is no digest", 400, "DIGEST_INVALID", registry.ErrUnsupported},
		{"403", 403, "DENIED", registry.ErrDenied},
		{"404", 404, "MANIFEST_UNKNOWN", registry.ErrNotFound},
		{"redirect", 302, "", registry.ErrUnsupported},
		{"200", 200, "", registry.ErrUnsupported},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var asked []string
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				asked = append(asked, req.Method)
				if req.Method != http.MethodDelete {
					w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
					w.Header().Set("Docker-Content-Digest", string(digest.FromString("{}")))
					fmt.Fprint(w, "{}")
					return
				}
				w.Header().Set("Location", req.URL.Path)
				w.WriteHeader(tc.status)
				fmt.Fprintf(w, `{"errors":[{"code":%q}]}`, tc.code)
			}))
			defer s.Close()
			repo := repository(t, &registrytest.Server{Host: strings.TrimPrefix(s.URL, "http://")}, nil)
			err := repo.Untag(t.Context(), "1")
			if !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
			if deletes := len(slices.DeleteFunc(asked, func(m string) bool { return m != http.MethodDelete })); deletes != 1 {
				t.Errorf("%d requests to delete", deletes)
			}
		})
	}
}

// TestDeleteOfWhatIsInUse: that a registry keeps what an index names does not
// mean that it deletes nothing.
func TestDeleteOfWhatIsInUse(t *testing.T) {
	for _, tc := range []struct {
		name    string
		deletes registrytest.DeleteOptions
		hint    bool
		want    registry.Support
	}{
		{"in use", registrytest.DeleteOptions{InUse: true}, true, registry.Unknown},
		{"nothing is deleted", registrytest.DeleteOptions{None: true}, false, registry.Unsupported},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := server(t, &registrytest.Options{Deletes: tc.deletes})
			client, err := registry.NewClient(nil)
			if err != nil {
				t.Fatal(err)
			}
			repo, err := client.Repository(registry.Reference{Host: s.Host, Repository: "team/app"})
			if err != nil {
				t.Fatal(err)
			}
			manifest, _ := artifact(t, repo, "1", "content")
			content := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
				ocispec.MediaTypeImageIndex, manifest.MediaType, manifest.Digest, manifest.Size)
			index := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: digest.FromBytes(content), Size: int64(len(content))}
			if err := repo.PushReference(t.Context(), index, bytes.NewReader(content), "index"); err != nil {
				t.Fatal(err)
			}
			err = repo.Delete(t.Context(), manifest)
			if !errors.Is(err, registry.ErrUnsupported) || strings.Contains(err.Error(), "delete that first") != tc.hint {
				t.Errorf("error = %v", err)
			}
			known, err := client.Capabilities(t.Context(), registry.Reference{Host: s.Host})
			if err != nil || known.Delete.Value != tc.want {
				t.Errorf("delete is %v, %v; want %v", known.Delete.Value, err, tc.want)
			}
			if !tc.hint {
				return
			}
			for _, desc := range []ocispec.Descriptor{index, manifest} {
				if err := repo.Delete(t.Context(), desc); err != nil {
					t.Errorf("%s: %v", desc.MediaType, err)
				}
			}
		})
	}
}

// TestDeleteLeavesTheListOfReferrers: a deleted manifest leaves the list that
// is kept under a tag, and the others stay in it.
func TestDeleteLeavesTheListOfReferrers(t *testing.T) {
	for name, options := range map[string]registrytest.Options{"API": {}, "tag schema": {NoReferrers: true}} {
		t.Run(name, func(t *testing.T) {
			s := server(t, &options)
			repo := repository(t, s, nil)
			subject, _ := artifact(t, repo, "1", "content")
			a, b := refer(t, repo, subject, "application/x", "a"), refer(t, repo, subject, "application/x", "b")
			s.Reset()
			if err := repo.Delete(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			want := "GET DELETE GET"
			if options.NoReferrers {
				want = "GET DELETE GET PUT GET"
			}
			if methods := s.Cost().Methods(); methods != want {
				t.Errorf("cost %s, want %s", methods, want)
			}
			if got := referrers(t, repository(t, s, nil), subject, ""); !slices.Equal(got, sorted(b)) {
				t.Errorf("referrers %v, want %v", got, sorted(b))
			}
			if err := repo.Delete(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			if got := referrers(t, repository(t, s, nil), subject, ""); len(got) != 0 {
				t.Errorf("referrers %v, want none", got)
			}
			if now, err := repo.Resolve(t.Context(), "1"); err != nil || now.Digest != subject.Digest {
				t.Errorf("the subject is %v, %v", now, err)
			}
		})
	}
}

// TestDeleteSaysThatTheListIsLeft: the manifest is gone and its entry is not.
func TestDeleteSaysThatTheListIsLeft(t *testing.T) {
	s := server(t, &registrytest.Options{NoReferrers: true})
	repo := repository(t, s, nil)
	subject, _ := artifact(t, repo, "1", "content")
	desc, data := referrer(t, subject, "application/x", "a")
	if err := repo.Push(t.Context(), ocispec.DescriptorEmptyJSON, strings.NewReader("{}")); err != nil {
		t.Fatal(err)
	}
	if err := repo.Push(t.Context(), desc, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	s.SetFaults(&registrytest.Faults{Match: func(req *http.Request) bool { return req.Method == http.MethodPut }, Status: 403, Code: "DENIED"})
	err := repo.Delete(t.Context(), desc)
	if !errors.Is(err, registry.ErrDenied) || !strings.Contains(err.Error(), "the manifest is deleted, and still listed") {
		t.Errorf("error = %v", err)
	}
}
