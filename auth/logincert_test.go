package auth

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestLoginWithAClientCertificate: an empty credential is a login where the
// transport has a certificate; it is checked, and nothing is stored.
func TestLoginWithAClientCertificate(t *testing.T) {
	for _, tc := range []struct {
		name     string
		asks     tls.ClientAuthType
		status   int
		verified bool
		wantErr  string
	}{
		{name: "asked for", asks: tls.RequireAnyClientCert, status: 200, verified: true},
		{name: "not asked for", asks: tls.NoClientCert, status: 200},
		{name: "not enough", asks: tls.RequestClientCert, status: 401, wantErr: "beside the client certificate"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("WWW-Authenticate", "Basic")
				if tc.status == http.StatusOK {
					rw.Header().Del("WWW-Authenticate")
				}
				rw.WriteHeader(tc.status)
			}))
			srv.TLS = &tls.Config{ClientAuth: tc.asks}
			srv.StartTLS()
			defer srv.Close()
			shown := false
			transport := srv.Client().Transport.(*http.Transport).Clone()
			transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				shown = true
				return &srv.TLS.Certificates[0], nil
			}
			store, r := NewMemoryStore(), mustParse(t, strings.TrimPrefix(srv.URL, "https://"))
			got, err := Login(t.Context(), store, r, Credential{}, &LoginOptions{Transport: transport, ClientCertificate: func() bool { return shown }})
			transport.CloseIdleConnections()
			if tc.wantErr != "" {
				if !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), tc.wantErr) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || got.Verified != tc.verified || got.Kind != "client certificate" || got.Origin != (Origin{}) || (len(got.Warnings) == 0) != tc.verified {
				t.Errorf("got %+v, %v", got, err)
			}
			if _, err := store.Credential(t.Context(), r); !errors.Is(err, ErrNoCredential) {
				t.Error("something was stored")
			}
			if _, err := Login(t.Context(), store, r, Credential{}, &LoginOptions{Transport: transport}); err == nil || !strings.Contains(err.Error(), "empty") {
				t.Errorf("without a certificate: %v", err)
			}
		})
	}
}
