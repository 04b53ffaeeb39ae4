package registry_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// A registry that does not answer while its list of referrers is read holds up
// nobody who speaks to another one.
func TestReferrersOfAnotherRegistryAreNotHeldUp(t *testing.T) {
	entered := make(chan struct{}, 1)
	stuck := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPut {
			io.Copy(io.Discard, req.Body)
			w.WriteHeader(http.StatusCreated)
			return
		}
		select {
		case entered <- struct{}{}:
		default:
		}
		<-req.Context().Done()
	}))
	defer stuck.Close()
	good := server(t, &registrytest.Options{NoReferrers: true})
	client, err := registry.NewClient(impatient(nil))
	if err != nil {
		t.Fatal(err)
	}
	manifest := []byte(`{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageManifest + `","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"` +
		digest.FromString("{}").String() + `","size":2},"layers":[],"subject":{"mediaType":"` + ocispec.MediaTypeImageManifest + `","size":2,"digest":"` + digest.FromString("subject").String() + `"}}`)
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(manifest), Size: int64(len(manifest))}
	push := func(ctx context.Context, c *registry.Client, host string) error {
		repo, err := c.Repository(registry.Reference{Host: host, Repository: "team/app"})
		if err != nil {
			return err
		}
		if host == good.Host {
			if err := repo.Push(ctx, ocispec.Descriptor{MediaType: "application/vnd.oci.empty.v1+json", Digest: digest.FromString("{}"), Size: 2}, strings.NewReader("{}")); err != nil {
				return err
			}
		}
		return repo.Push(ctx, desc, bytes.NewReader(manifest))
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		push(ctx, client, strings.TrimPrefix(stuck.URL, "http://"))
	}()
	<-entered
	within, done := context.WithTimeout(t.Context(), 20*time.Second)
	defer done()
	if err := push(within, client.With(nil), good.Host); err != nil {
		t.Error(err)
	}
	cancel()
	<-ended
}
