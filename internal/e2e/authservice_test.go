package e2e_test

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// authService is a token service with several users, who may enter their own
// repositories and no others, and whose secrets come and go.
type authService struct {
	*tokenServer
	life    time.Duration // how long the registry takes a token; zero: for minutes
	refused atomic.Int32  // requests with a secret that is none, or none any more

	mu    sync.Mutex
	users map[string]string // the owner of each secret that is good: "name:password", or an identity token
	notes []authNote
}

// authNote is what a request for a token brought along.
type authNote struct {
	certificate bool
	tenant      string // a header that the registry alone is to see
}

// authServiceOptions say where a token service is; the zero value is at
// 127.0.0.1, over plain HTTP.
type authServiceOptions struct {
	address string        // without a port
	name    string        // by which the registry calls it; the address if empty
	ca      *authority    // TLS with a certificate of this authority
	life    time.Duration // see authService
}

func startAuthService(t testing.TB, opts authServiceOptions) *authService {
	t.Helper()
	if opts.address == "" {
		opts.address = "127.0.0.1"
	}
	if opts.name == "" {
		opts.name = opts.address
	}
	listener, err := net.Listen("tcp", opts.address+":0")
	if err != nil {
		t.Fatal(err)
	}
	s := &authService{tokenServer: newTokenServer(t), life: opts.life, users: map[string]string{}}
	s.http = httptest.NewUnstartedServer(s)
	s.http.Listener.Close()
	s.http.Listener = listener
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail here on purpose
	scheme := "http"
	if opts.ca != nil {
		scheme = "https"
		pair, err := tls.LoadX509KeyPair(opts.ca.serverFiles(t))
		if err != nil {
			t.Fatal(err)
		}
		s.http.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
		s.http.StartTLS()
	} else {
		s.http.Start()
	}
	t.Cleanup(s.http.Close)
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	s.http.URL = scheme + "://" + net.JoinHostPort(opts.name, port)
	return s
}

// host is the service as a registry's realm names it.
func (s *authService) host() string {
	_, host, _ := strings.Cut(s.http.URL, "://")
	return host
}

// admit lets a user in by a secret: "name:password", or an identity token. The
// user may do everything in the repositories below "name/".
func (s *authService) admit(user, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[secret] = user
}

// revoke ends a secret, now.
func (s *authService) revoke(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.users, secret)
}

// heard returns what came with the requests so far.
func (s *authService) heard() []authNote {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.notes)
}

// ServeHTTP answers the three questions of the distribution token
// specification: GET, with basic credentials or without, and POST with a
// password or with a refresh token.
func (s *authService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	name, secret, given := r.BasicAuth()
	secret = name + ":" + secret
	if r.Method == http.MethodPost {
		given = true
		if secret = r.Form.Get("refresh_token"); r.Form.Get("grant_type") == "password" {
			secret = r.Form.Get("username") + ":" + r.Form.Get("password")
		}
	}
	s.mu.Lock()
	user, good := s.users[secret]
	s.notes = append(s.notes, authNote{r.TLS != nil && len(r.TLS.PeerCertificates) > 0, r.Header.Get("X-Tenant")})
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if given && !good {
		s.refused.Add(1)
		if r.Form.Get("grant_type") == "refresh_token" { // RFC 6749, section 5.2
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"errors":[{"code":"UNAUTHORIZED","message":"wrong user or password"}]}`))
		return
	}
	ends := time.Now().Add(5 * time.Minute)
	if s.life > 0 {
		ends = time.Now().Add(s.life - time.Minute) // the registry adds that minute
	}
	token, err := s.signUntil(user, s.grant(user, r.Form["scope"]), ends)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.issued.Add(1)
	// It may be a lie: servers are restarted, and their clocks are wrong.
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "access_token": token, "expires_in": 300})
}

// grant is what a user gets of the scopes that were asked for.
func (s *authService) grant(user string, scopes []string) []access {
	granted := []access{}
	for scope := range strings.FieldsSeq(strings.Join(scopes, " ")) {
		kind, rest, _ := strings.Cut(scope, ":")
		at := strings.LastIndex(rest, ":")
		if at >= 0 && user != "" && strings.HasPrefix(rest, user+"/") {
			granted = append(granted, access{Type: kind, Name: rest[:at], Actions: strings.Split(rest[at+1:], ",")})
		}
	}
	return granted
}
