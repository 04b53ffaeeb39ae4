package auth

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// leaksTenants is a registry with a token server for each of its users, in
// which a user's token is good for three requests. It notes whoever comes with
// what is another's.
type leaksTenants struct {
	*httptest.Server
	basic bool

	mu       sync.Mutex
	uses     map[string]int
	made     int
	mistakes []string
}

func newLeaksTenants(t *testing.T, basic bool) *leaksTenants {
	s := &leaksTenants{basic: basic, uses: map[string]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// tenant is whose name is in a canary: canary-<tenant>-….
func tenant(text string) string {
	_, rest, _ := strings.Cut(text, "canary-")
	name, _, _ := strings.Cut(rest, "-")
	return name
}

// ServeHTTP answers /v2/<tenant>/… and, once it knows who asks, names the token
// server /token/<tenant>.
func (s *leaksTenants) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, password, signed := req.BasicAuth()
	if at, found := strings.CutPrefix(req.URL.Path, "/token"); found {
		who := tenant(password)
		if at != "" && at != "/"+who || req.FormValue("service") != "" && req.FormValue("service") != "service-"+who || !strings.Contains(req.FormValue("scope"), "repository:"+who+"/") {
			s.mistakes = append(s.mistakes, fmt.Sprintf("%q asks %s?%s", who, at, req.URL.RawQuery))
		}
		s.made++
		fmt.Fprintf(w, `{"token":"canary-%s-%d"}`, who, s.made)
		return
	}
	owner, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/v2/"), "/")
	proof := password
	if !signed {
		proof, _ = strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	}
	if proof != "" && tenant(proof) != owner {
		s.mistakes = append(s.mistakes, fmt.Sprintf("%s was asked for with %s", req.URL.Path, proof))
	}
	s.uses[proof]++
	switch {
	case s.basic && proof == "":
		w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
	case proof == "":
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token"`, s.URL))
	case !s.basic && s.uses[proof] > 3:
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token/%s",service="service-%[2]s",error="invalid_token"`, s.URL, owner))
	default:
		io.WriteString(w, "canary-"+tenant(proof)+"-content")
		return
	}
	w.WriteHeader(http.StatusUnauthorized)
}

// Identities that share a signer's connections never get each other's
// credential, token, or what was learned with them.
func Test41TenantsOfOneSigner(t *testing.T) {
	for _, basic := range []bool{false, true} {
		s := newLeaksTenants(t, basic)
		host := strings.TrimPrefix(s.URL, "http://")
		family := newSigner(t, nil)
		var wg sync.WaitGroup
		for _, name := range []string{"one", "two"} {
			signer := family.With(Static(Resource{Host: host}, password(name, "canary-"+name+"-password")))
			for i := range 16 {
				wg.Go(func() {
					for range 20 {
						path := fmt.Sprintf("%s/app%d", name, i%3)
						req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/v2/"+path, nil)
						if err != nil {
							t.Error(err)
							return
						}
						// A token ends after a few requests of others: some see two end.
						resp, err := signer.Do(req, Hint{Resource: Resource{host, path}, Scopes: []Scope{RepositoryScope(path, "pull")}}, send)
						if err != nil {
							if strings.Contains(err.Error(), "canary-") {
								t.Error(err)
							}
							continue
						}
						body, err := io.ReadAll(resp.Body)
						resp.Body.Close()
						if got := string(body); err != nil || tenant(got) != name {
							t.Errorf("%s got %q, %v", name, got, err)
						}
					}
				})
			}
		}
		wg.Wait()
		for _, m := range s.mistakes {
			t.Error(m)
		}
		if !basic && s.made < 20 {
			t.Errorf("only %d tokens were asked for", s.made)
		}
	}
}
