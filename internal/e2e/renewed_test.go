package e2e_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// TestRenewedCertificate runs one client while its certificate expires and is
// renewed: what is in the files now is what the registry is shown.
func TestRenewedCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	reg := startRegistry(t, registryOptions{ca: ca, mutual: true})
	dir := t.TempDir()
	cert, key := dir+"/client.pem", dir+"/client.key"
	renew := func(ends time.Time) {
		t.Helper()
		issued, private := ca.issueUntil(t, "client", x509.ExtKeyUsageClientAuth, ends)
		for from, to := range map[string]string{issued: cert, private: key} {
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
	}
	renew(time.Now().Add(-time.Minute))
	settings, err := registry.LoadTLS(ca.file, cert, key)
	if err != nil {
		t.Fatal(err)
	}
	client, err := registry.NewClient(&registry.Options{
		Hosts: func(string) (registry.HostConfig, error) { return registry.HostConfig{TLS: settings}, nil },
		Retry: registry.Retry{Attempts: 2, Wait: time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: reg.host, Repository: "team/harbour"})
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("soundings")
	desc := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromBytes(content), Size: int64(len(content))}

	if err := repo.Push(t.Context(), desc, bytes.NewReader(content)); !errors.Is(err, registry.ErrUnauthorized) || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("with an expired certificate: %v", err)
	}
	renew(time.Now().Add(time.Hour))
	if err := repo.Push(t.Context(), desc, bytes.NewReader(content)); err != nil {
		t.Fatalf("with the renewed one: %v", err)
	}
	body, err := repo.Fetch(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%q came, %v", got, err)
	}
}
