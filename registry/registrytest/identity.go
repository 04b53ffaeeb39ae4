package registrytest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const tokenPath = "/token"

// tokens are those that were given out and what they allow.
type tokens struct {
	mu    sync.Mutex
	given map[string]grant
}

type grant struct {
	scopes  []string
	expires time.Time
}

// authorized lets a request through or answers it with a challenge, or with a
// refusal where the identity is good and does not suffice.
func (s *Server) authorized(w http.ResponseWriter, req *http.Request) bool {
	scope, pull := wantedScope(req)
	scopes := []string{scope}
	if from := mountFrom(req); from != "" { // as in distribution, without which it would show foreign blobs
		scopes = append(scopes, "repository:"+from+":pull")
	}
	switch s.options.Auth {
	case Basic:
		if s.known(req) || (s.options.AnonymousPull && pull) {
			return true
		}
	case Bearer:
		token, _ := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
		if !slices.ContainsFunc(scopes, func(scope string) bool { return !s.tokens.allows(token, scope) }) {
			return true
		}
	default:
		return true
	}
	if status := s.options.RefusalStatus; status != 0 && req.Header.Get("Authorization") != "" {
		writeError(w, status, codeFor(status), "these credentials do not suffice")
		return false
	}
	s.challenge(w, scopes)
	return false
}

// challenge answers 401 and says how to come back.
func (s *Server) challenge(w http.ResponseWriter, scopes []string) {
	switch s.options.Auth {
	case Basic:
		w.Header().Set("WWW-Authenticate", `Basic realm="registrytest"`)
	case Bearer:
		challenge := fmt.Sprintf(`Bearer realm="%s",service="registrytest"`, s.Realm)
		if scope := strings.TrimSpace(strings.Join(scopes, " ")); scope != "" {
			challenge += fmt.Sprintf(`,scope="%s"`, scope)
		}
		w.Header().Set("WWW-Authenticate", challenge)
	}
	writeError(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
}

// wantedScope is what a request needs, in the form of the token protocol.
func wantedScope(req *http.Request) (scope string, pull bool) {
	pull = req.Method == http.MethodGet || req.Method == http.MethodHead
	name, found := strings.CutPrefix(req.URL.Path, "/v2/")
	if !found || name == "" {
		return "", false
	}
	if name == "_catalog" {
		return "registry:catalog:*", false
	}
	if r := routeOf(req); r.repository != "" {
		name = r.repository
	}
	if pull {
		return "repository:" + name + ":pull", true
	}
	if req.Method == http.MethodDelete { // as in distribution
		return "repository:" + name + ":delete", false
	}
	return "repository:" + name + ":pull,push", false
}

func (s *Server) known(req *http.Request) bool {
	user, password, ok := req.BasicAuth()
	want, exists := s.options.Users[user]
	return ok && exists && want == password
}

// serveToken is the token service: GET with basic credentials or none (Docker
// token authentication specification).
func (s *Server) serveToken(w http.ResponseWriter, req *http.Request) {
	_, _, hasCredentials := req.BasicAuth()
	known := s.known(req)
	if req.Method != http.MethodGet {
		writeError(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "GET only")
		return
	}
	if !known && (hasCredentials || !s.options.AnonymousPull) {
		writeError(w, http.StatusUnauthorized, "UNAUTHORIZED", "incorrect username or password")
		return
	}
	var scopes []string
	for _, scope := range strings.Fields(strings.Join(req.URL.Query()["scope"], " ")) {
		if !known {
			i := strings.LastIndex(scope, ":")
			if i < 0 || !slices.Contains(strings.Split(scope[i+1:], ","), "pull") {
				continue
			}
			scope = scope[:i] + ":pull"
		}
		scopes = append(scopes, scope)
	}
	token := s.tokens.give(scopes, s.options.TokenLifetime)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"token": token, "expires_in": max(1, int(s.options.TokenLifetime.Seconds()))})
}

func (t *tokens) give(scopes []string, lifetime time.Duration) string {
	token := rand.Text()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.given == nil {
		t.given = map[string]grant{}
	}
	t.given[token] = grant{scopes, time.Now().Add(lifetime)}
	return token
}

// allows tells whether the token holds every action of the scope; any token
// that was given will do where there is no scope.
func (t *tokens) allows(token, scope string) bool {
	t.mu.Lock()
	g, ok := t.given[token]
	t.mu.Unlock()
	if !ok || time.Now().After(g.expires) {
		return false
	}
	if scope == "" {
		return true
	}
	i := strings.LastIndex(scope, ":")
	for _, action := range strings.Split(scope[i+1:], ",") {
		if !slices.ContainsFunc(g.scopes, func(has string) bool {
			j := strings.LastIndex(has, ":")
			return j >= 0 && has[:j] == scope[:i] && slices.Contains(strings.Split(has[j+1:], ","), action)
		}) {
			return false
		}
	}
	return true
}
