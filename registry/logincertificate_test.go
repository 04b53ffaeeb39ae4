package registry_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

// TestLoginWhereAConnectionBreaks: what breaks right after a certificate was
// shown may be its refusal, or a server that is started anew. A login tries
// again before it says which, as every other operation does.
func TestLoginWhereAConnectionBreaks(t *testing.T) {
	for name, breaks := range map[string]int32{"once": 1, "always": 1 << 30} {
		t.Run(name, func(t *testing.T) {
			var shown atomic.Int32
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
				if shown.Load() > breaks {
					return
				}
				conn, _, err := rw.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				conn.(*tls.Conn).NetConn().(*net.TCPConn).SetLinger(0)
				conn.(*tls.Conn).NetConn().Close()
			}))
			s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, VerifyConnection: func(tls.ConnectionState) error {
				shown.Add(1)
				return nil
			}}
			s.StartTLS()
			defer s.Close()
			client := loginClient(t, registry.Options{
				Retry: registry.Retry{Attempts: 3, Wait: time.Millisecond},
				Hosts: func(string) (registry.HostConfig, error) {
					return registry.HostConfig{TLS: &registry.TLS{
						Roots: []*x509.Certificate{s.Certificate()}, Certificates: []tls.Certificate{leakCertificate(t, "127.0.0.1")},
					}}, nil
				},
			})
			done, err := client.Login(t.Context(), auth.NewMemoryStore(), s.Listener.Addr().String(), auth.Credential{})
			switch {
			case breaks == 1 && (err != nil || !done.Verified):
				t.Errorf("got %+v, %v", done, err)
			case breaks > 1 && !errors.Is(err, registry.ErrUnauthorized):
				t.Errorf("got %v, want that the certificate is not taken", err)
			}
			if n := shown.Load(); n != min(breaks+1, 3) {
				t.Errorf("%d connections", n)
			}
		})
	}
}
