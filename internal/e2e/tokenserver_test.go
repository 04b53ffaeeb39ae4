package e2e_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	tokenService = "harbour registry"
	tokenIssuer  = "harbour tokens"
)

// tokenServer issues the tokens of the distribution token specification to
// userName, and tokens without access to anybody else.
type tokenServer struct {
	http   *httptest.Server
	public ed25519.PublicKey
	secret ed25519.PrivateKey
	issued atomic.Int32
}

func startTokenServer(t testing.TB) *tokenServer {
	t.Helper()
	s := newTokenServer(t)
	s.http = httptest.NewServer(s)
	t.Cleanup(s.http.Close)
	return s
}

// newTokenServer makes the keys of a token server that does not listen yet.
func newTokenServer(t testing.TB) *tokenServer {
	t.Helper()
	public, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &tokenServer{public: public, secret: secret}
}

func (s *tokenServer) realm() string { return s.http.URL + "/token" }

// writeKeys writes the key set by which the registry knows the tokens.
func (s *tokenServer) writeKeys(t testing.TB) string {
	t.Helper()
	set := map[string]any{"keys": []any{map[string]string{
		"kty": "OKP", "crv": "Ed25519", "kid": "harbour", "alg": "EdDSA", "x": base64.RawURLEncoding.EncodeToString(s.public),
	}}}
	data, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "jwks.json")
	writeFile(t, file, data)
	return file
}

// ServeHTTP answers GET with basic credentials and POST with a password or a
// refresh token.
func (s *tokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	name, secret, given := r.BasicAuth()
	if r.Method == http.MethodPost {
		name, secret, given = r.Form.Get("username"), r.Form.Get("password"), true
	}
	if given && (name != userName || secret != password) {
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"wrong user or password"}]}`, http.StatusUnauthorized)
		return
	}
	var scopes []string
	if given {
		scopes = r.Form["scope"]
	}
	token, err := s.sign(name, scopes)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.issued.Add(1)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "access_token": token, "expires_in": 300})
}

// access is one entry of a token's grant.
type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

func (s *tokenServer) sign(subject string, scopes []string) (string, error) {
	granted := []access{}
	for scope := range strings.FieldsSeq(strings.Join(scopes, " ")) {
		kind, rest, _ := strings.Cut(scope, ":")
		if i := strings.LastIndex(rest, ":"); i >= 0 {
			granted = append(granted, access{Type: kind, Name: rest[:i], Actions: strings.Split(rest[i+1:], ",")})
		}
	}
	return s.signUntil(subject, granted, time.Now().Add(5*time.Minute))
}

// signUntil makes a token that ends. The registry takes it for a minute more.
func (s *tokenServer) signUntil(subject string, granted []access, ends time.Time) (string, error) {
	now := time.Now()
	header, err := json.Marshal(map[string]string{"alg": "EdDSA", "kid": "harbour", "typ": "JWT"})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": tokenIssuer, "sub": subject, "aud": tokenService, "access": granted, "jti": rand.Text(),
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": ends.Unix(),
	})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode(header) + "." + encode(claims)
	return signed + "." + encode(ed25519.Sign(s.secret, []byte(signed))), nil
}
