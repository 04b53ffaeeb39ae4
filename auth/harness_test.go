package auth

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const canary = "canary-f00d"

// world is a registry with a token server, on two origins of loopback. Its
// switches are set before the first request.
type world struct {
	registry, tokens *httptest.Server

	user, password string                                         // "": anonymous tokens only
	refresh        string                                         // identity token that POST accepts
	postStatus     int                                            // answer POST with this instead
	answer         map[string]any                                 // of the token server, over the default
	challenge      func() string                                  // the WWW-Authenticate of the registry
	preludes       []string                                       // WWW-Authenticate headers before that of challenge
	revoked        func(*world, http.ResponseWriter, string) bool // answers a rejected token

	mu       sync.Mutex
	granted  map[string][]Scope
	asked    []url.Values // query or form of each token request
	methods  []string
	headers  []http.Header // of token requests
	arrivals []string      // Authorization of each registry request
	tokenN   atomic.Int32
}

func newWorld(t *testing.T) *world {
	w := &world{granted: map[string][]Scope{}}
	w.tokens = httptest.NewServer(http.HandlerFunc(w.serveToken))
	w.registry = httptest.NewServer(http.HandlerFunc(w.serveRegistry))
	t.Cleanup(func() { w.tokens.Close(); w.registry.Close() })
	return w
}

func (w *world) host() string { return strings.TrimPrefix(w.registry.URL, "http://") }

func (w *world) resource(path string) Resource { return Resource{w.host(), path} }

func (w *world) serveToken(rw http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.methods, w.headers = append(w.asked, r.Form), append(w.methods, r.Method), append(w.headers, r.Header.Clone())
	scopes := r.Form["scope"]
	if r.Method == http.MethodPost {
		if w.postStatus != 0 {
			rw.WriteHeader(w.postStatus)
			return
		}
		if w.refresh == "" || r.Form.Get("refresh_token") != w.refresh || r.Form.Get("grant_type") != "refresh_token" || r.Form.Get("client_id") == "" {
			rw.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(rw, `{"error":"invalid_grant","error_description":"what is %s"}`, r.Form.Get("refresh_token"))
			return
		}
		scopes = strings.Fields(r.Form.Get("scope"))
	} else if user, password, given := r.BasicAuth(); given && (user != w.user || password != w.password) {
		rw.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(rw, `{"errors":[{"code":"UNAUTHORIZED","message":"no %s"}]}`, password)
		return
	}
	text := fmt.Sprintf("token-%d-%s", w.tokenN.Add(1), canary)
	w.granted[text] = nil
	for _, s := range scopes {
		w.granted[text] = append(w.granted[text], parseScopes(s)...)
	}
	answer := map[string]any{"token": text, "expires_in": 300}
	for k, v := range w.answer {
		if v == nil {
			delete(answer, k)
		} else if v == "TEXT" {
			answer[k] = text
		} else {
			answer[k] = v
		}
	}
	json.NewEncoder(rw).Encode(answer)
}

// needed is the scope of a request: its path below /v2/ is the repository.
func needed(r *http.Request) Scope {
	name := strings.Trim(strings.TrimPrefix(r.URL.Path, "/v2/"), "/")
	if name == "" {
		return Scope{}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return RepositoryScope(name, "pull")
	}
	return RepositoryScope(name, "pull", "push")
}

func (w *world) serveRegistry(rw http.ResponseWriter, r *http.Request) {
	header := r.Header.Get("Authorization")
	w.mu.Lock()
	w.arrivals = append(w.arrivals, header)
	text := strings.TrimPrefix(header, "Bearer ")
	scopes, known := w.granted[text]
	w.mu.Unlock()
	if known && w.revoked != nil && w.revoked(w, rw, text) {
		return
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(w.user+":"+w.password))
	if known && containsAll(scopes, []Scope{needed(r)}) || header == basic && w.user != "" {
		fmt.Fprint(rw, "ok")
		return
	}
	challenge := fmt.Sprintf(`Bearer realm="%s/token",service="%s",scope="%s"`, w.tokens.URL, "reg", needed(r))
	if w.challenge != nil {
		challenge = w.challenge()
	}
	for _, c := range append(w.preludes, challenge) {
		rw.Header().Add("WWW-Authenticate", c)
	}
	rw.WriteHeader(http.StatusUnauthorized)
	fmt.Fprint(rw, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
}

func (w *world) counts() (registry, tokens int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.arrivals), len(w.asked)
}

// send is what a client's transport does: one exchange, no redirect.
func send(r *http.Request) (*http.Response, error) { return http.DefaultTransport.RoundTrip(r) }

func (w *world) request(t *testing.T, method, path, body string) *http.Request {
	t.Helper()
	var req *http.Request
	var err error
	if body == "" {
		req, err = http.NewRequestWithContext(t.Context(), method, w.registry.URL+"/v2/"+path, nil)
	} else {
		req, err = http.NewRequestWithContext(t.Context(), method, w.registry.URL+"/v2/"+path, strings.NewReader(body))
	}
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// do sends one request for repository path, and expects 200.
func (w *world) do(t *testing.T, s *Signer, method, path string, actions ...string) {
	t.Helper()
	resp, err := s.Do(w.request(t, method, path, ""), w.hint(path, actions...), send)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: status %d", method, path, resp.StatusCode)
	}
}

func (w *world) hint(path string, actions ...string) Hint {
	h := Hint{Resource: w.resource(path)}
	if len(actions) > 0 {
		h.Scopes = []Scope{RepositoryScope(path, actions...)}
	}
	return h
}

func newSigner(t *testing.T, opts *SignerOptions) *Signer {
	t.Helper()
	s, err := NewSigner(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.closeIdle)
	return s
}

func (w *world) signer(t *testing.T, c Credential) *Signer {
	t.Helper()
	return newSigner(t, &SignerOptions{Provider: Static(w.resource(""), c)})
}

func password(user, secret string) Credential {
	return Credential{Username: user, Password: NewSecret(secret)}
}

func noCanary(t *testing.T, what, text string) {
	t.Helper()
	if strings.Contains(text, canary) {
		t.Errorf("%s shows a secret: %s", what, text)
	}
}
