package registry_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

// TestRetryAnonymous pulls public content with a credential that the registry
// does not take any more.
func TestRetryAnonymous(t *testing.T) {
	const manifest = `{"schemaVersion":2}`
	var writes int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		public := r.Method == http.MethodGet || r.Method == http.MethodHead
		if !public {
			writes++
		}
		if r.Header.Get("Authorization") != "" || !public {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Docker-Content-Digest", digest.FromString(manifest).String())
		io.WriteString(w, manifest)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	stale := auth.Static(auth.Resource{Host: host}, auth.Credential{Username: "ann", Password: auth.NewSecret("stale")})
	for _, retry := range []bool{false, true} {
		var log strings.Builder
		client, err := registry.NewClient(&registry.Options{Credentials: stale, RetryAnonymous: retry, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		repo, err := client.Repository(registry.Reference{Host: host, Repository: "team/app"})
		if err != nil {
			t.Fatal(err)
		}
		// The first request of a client is not signed: a refusal of a later one
		// is what a stale credential brings about.
		writes = 0
		if err := repo.Delete(t.Context(), ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString(manifest), Size: int64(len(manifest))}); !errors.Is(err, registry.ErrUnauthorized) || writes == 0 {
			t.Errorf("retry %v: Delete after %d writes: %v", retry, writes, err)
		}
		_, err = repo.Resolve(t.Context(), "1.0.0")
		if retry && (err != nil || !strings.Contains(log.String(), "level=WARN")) {
			t.Errorf("Resolve: %v; the log:\n%s", err, log.String())
		}
		if !retry && !errors.Is(err, registry.ErrUnauthorized) {
			t.Errorf("Resolve with the stale credential: %v", err)
		}
		if strings.Contains(log.String(), "stale") {
			t.Errorf("the log shows the password:\n%s", log.String())
		}
	}
}
