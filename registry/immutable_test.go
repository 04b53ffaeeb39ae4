package registry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// uploadsAnswering is a registry whose tag names there, and that answers each
// PUT in one way.
func uploadsAnswering(t *testing.T, there digest.Digest, status int, body string) *registry.Repository {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.Method {
		case http.MethodPut:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			io.WriteString(w, body)
		case http.MethodHead:
			w.Header().Set("Docker-Content-Digest", there.String())
			w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
			w.Header().Set("Content-Length", "2")
		}
	}))
	t.Cleanup(s.Close)
	client, err := registry.NewClient(&registry.Options{Retry: registry.Retry{Attempts: 1}})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: strings.TrimPrefix(s.URL, "http://"), Repository: "team/app"})
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func TestUploadsImmutableTags(t *testing.T) {
	said := func(code, message string) string {
		b, _ := json.Marshal(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
		return string(b)
	}
	data := []byte("{}")
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(data), Size: 2}
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   error // nil: none of the sentinels that are asked for
	}{
		{"Harbor", 412, said("PRECONDITION", "Failed to process request due to 'team/app:1' configured as immutable."), registry.ErrExists},
		{"ECR", 400, said("TAG_INVALID", "The image tag '1' already exists in the 'team/app' repository and cannot be overwritten because the repository is immutable."), registry.ErrExists},
		{"ECR, newer", 400, said("TAG_INVALID", "The image tag '1' already exists in the 'team/app' repository and cannot be overwritten because the tag is immutable."), registry.ErrExists},
		{"ECR, by code", 400, said("ImageTagAlreadyExistsException", ""), registry.ErrExists},
		{"Google", 400, said("MANIFEST_INVALID", "cannot update tag 1. The repository has enabled tag immutability"), registry.ErrExists},
		{"Docker Hub", 403, said("DENIED", "requested access to the resource is denied - This tag is already assigned to an image in this repository and cannot be updated due to immutability settings."), registry.ErrExists},
		{"Mirantis", 400, said("UNKNOWN", "tag=1 cannot be overwritten because team/app is an immutable repository"), registry.ErrExists},
		{"Alibaba Cloud", 403, said("DENIED", "The requested tag already exists and cannot be overwritten."), registry.ErrExists},
		{"Nexus", 400, said("UNKNOWN", "Repository does not allow updating assets: charts"), registry.ErrExists},
		{"Nexus, newer", 409, said("UNKNOWN", "team/app cannot be updated as asset already exists and redeploy is not allowed"), registry.ErrExists},
		{"no words", 412, "", registry.ErrExists},

		{"manifest that is wrong", 400, said("MANIFEST_INVALID", "no JSON"), nil},
		{"tag that is none", 400, said("TAG_INVALID", "manifest tag did not match URI"), nil},
		{"conflict of another kind", 409, said("UNKNOWN", "checksum policy"), nil},
		{"no right", 403, said("DENIED", "requested access to the resource is denied"), registry.ErrDenied},
		{"no credential", 401, said("UNAUTHORIZED", "the immutable repository wants to know who"), registry.ErrUnauthorized},
		{"Azure, locked", 405, said("UNSUPPORTED", "The operation is disallowed on this registry, repository or image."), registry.ErrUnsupported},
		{"no registry", 200, "{}", registry.ErrUnavailable},
		{"down", 503, said("UNKNOWN", "immutable while it is down"), registry.ErrUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			repo := uploadsAnswering(t, digest.FromString("other"), tc.status, tc.body)
			err := repo.PushReference(t.Context(), desc, bytes.NewReader(data), "1")
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
			if tc.want != registry.ErrExists && errors.Is(err, registry.ErrExists) {
				t.Errorf("%v is about a tag", err)
			}
			if e, ok := errors.AsType[*registry.Error](err); !ok || (e.Hint == "" || e.Op != "push" || e.Reference.Tag != "1") && tc.want == registry.ErrExists {
				t.Errorf("error = %#v", err)
			}
			if err := repo.Push(t.Context(), desc, bytes.NewReader(data)); errors.Is(err, registry.ErrExists) {
				t.Errorf("by digest: %v", err)
			}
			if tc.want != registry.ErrExists {
				return
			}
			again := uploadsAnswering(t, desc.Digest, tc.status, tc.body)
			if err := again.PushReference(t.Context(), desc, bytes.NewReader(data), "1"); err != nil {
				t.Errorf("the tag names it already: %v", err)
			}
		})
	}
}

func TestUploadsMissing(t *testing.T) {
	a, b := digest.FromString("a"), digest.FromString("b")
	children := []ocispec.Descriptor{{Digest: a}, {Digest: b}}
	item := func(code, message string, detail any) map[string]any {
		return map[string]any{"code": code, "message": message, "detail": detail}
	}
	for _, tc := range []struct {
		name   string
		status int
		errors []map[string]any
		want   []ocispec.Descriptor // nil: nothing is said to be missing
	}{
		{"distribution", 400, []map[string]any{item("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", a)}, children[:1]},
		{"two", 404, []map[string]any{item("BLOB_UNKNOWN", "", a), item("BLOB_UNKNOWN", "", b)}, children},
		{"in an object", 404, []map[string]any{item("BLOB_UNKNOWN", "", map[string]any{"Digest": b})}, children[1:]},
		{"in the message", 400, []map[string]any{item("MANIFEST_BLOB_UNKNOWN", fmt.Sprintf("blob %s is not there", b), nil)}, children[1:]},
		{"an index's manifest", 404, []map[string]any{item("MANIFEST_UNKNOWN", "manifest unknown", b)}, children[1:]},
		{"not named", 400, []map[string]any{item("MANIFEST_BLOB_UNKNOWN", "", nil)}, children},
		{"one not named", 400, []map[string]any{item("MANIFEST_BLOB_UNKNOWN", "", a), item("MANIFEST_BLOB_UNKNOWN", "", nil)}, children},
		{"something else named", 400, []map[string]any{item("MANIFEST_BLOB_UNKNOWN", "", digest.FromString("c"))}, children},
		{"another error", 400, []map[string]any{item("MANIFEST_INVALID", "", a)}, nil},
		{"nothing", 400, nil, nil},
		{"status of another kind", 500, []map[string]any{item("BLOB_UNKNOWN", "", a)}, children[:1]}, // ociserver
	} {
		t.Run(tc.name, func(t *testing.T) {
			body, _ := json.Marshal(map[string]any{"errors": tc.errors})
			data := []byte("{}")
			desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(data), Size: 2}
			repo := uploadsAnswering(t, a, tc.status, string(body))
			err := repo.PushReference(t.Context(), desc, bytes.NewReader(data), "1")
			missing, ok := errors.AsType[*registry.MissingError](err)
			if ok != (tc.want != nil) {
				t.Fatalf("error = %v", err)
			}
			if ok && fmt.Sprint(missing.Among(children)) != fmt.Sprint(tc.want) {
				t.Errorf("missing: %v, want %v", missing.Among(children), tc.want)
			}
			if e, is := errors.AsType[*registry.Error](err); !is || e.StatusCode != tc.status {
				t.Errorf("error = %#v", err)
			}
		})
	}
}
