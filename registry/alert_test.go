package registry_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/registry"
)

// A host that wants a client certificate says so once: without one, asking
// again is of no use.
func TestTLSAlertIsNotTriedAgain(t *testing.T) {
	var connections atomic.Int32
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{
		ClientAuth: tls.RequireAnyClientCert,
		MaxVersion: tls.VersionTLS12, // with TLS 1.3 the alert follows the handshake, and may be lost to a reset
	}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.StartTLS()
	defer s.Close()
	client, err := registry.NewClient(&registry.Options{
		Retry: registry.Retry{Wait: time.Millisecond},
		Hosts: func(string) (registry.HostConfig, error) {
			return registry.HostConfig{TLS: &registry.TLS{Roots: []*x509.Certificate{s.Certificate()}}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: s.Listener.Addr().String(), Repository: "team/app"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Resolve(t.Context(), "1"); !errors.Is(err, registry.ErrUnauthorized) || !strings.Contains(err.Error(), "tls") {
		t.Errorf("error = %v", err)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}
