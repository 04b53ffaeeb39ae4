package auth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// A mount is signed with one token for the target and for the source, which
// then serves the target, and is of no use to anything else.
func Test43MountScope(t *testing.T) {
	w := newWorld(t)
	w.user, w.password = "bob", canary
	s := w.signer(t, password("bob", canary))
	mount := Hint{Resource: w.resource("a"), Scopes: []Scope{RepositoryScope("a", "pull", "push"), RepositoryScope("from", "pull")}}
	resp, err := s.Do(w.request(t, "POST", "a", ""), mount, send)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got, want := w.asked[0]["scope"], []string{"repository:a:pull,push", "repository:from:pull"}; !slices.Equal(got, want) {
		t.Errorf("scopes %q, want %q", got, want)
	}
	for i, step := range []struct {
		method, path string
		actions      []string
		tokens       int // so far
	}{
		{"PUT", "a", []string{"pull", "push"}, 1},
		{"GET", "from", []string{"pull"}, 1},
		{"PUT", "from", []string{"pull", "push"}, 2},
		{"GET", "b", []string{"pull"}, 3},
	} {
		w.do(t, s, step.method, step.path, step.actions...)
		if _, k := w.counts(); k != step.tokens {
			t.Errorf("step %d, %s %s: %d tokens, want %d", i, step.method, step.path, k, step.tokens)
		}
	}
}

// The scope of the catalog is asked for as it is written, and its token is
// none of a repository's, nor the reverse.
func Test44CatalogScope(t *testing.T) {
	const catalog = "registry:catalog:*"
	scope, err := ParseScope(catalog)
	if err != nil {
		t.Fatal(err)
	}
	hint := func(w *world) Hint { return Hint{Resource: w.resource(""), Scopes: []Scope{scope}} }
	for _, tc := range []struct {
		name string
		hint func(*world) Hint
	}{
		{"the hint's", hint},
		{"the challenge's", func(w *world) Hint { return Hint{Resource: w.resource("")} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.registry.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v2/_catalog" {
					w.serveRegistry(rw, r)
					return
				}
				text, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
				w.mu.Lock()
				defer w.mu.Unlock()
				if !slices.Contains(scopeStrings(w.granted[text]), catalog) {
					rw.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="reg",scope="%s"`, w.tokens.URL, catalog))
					rw.WriteHeader(401)
				}
			})
			s := newSigner(t, nil)
			list := func() {
				resp, err := s.Do(w.request(t, "GET", "_catalog", ""), tc.hint(w), send)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
			}
			list()
			list()
			w.do(t, s, "GET", "a", "pull")
			list()
			var asked []string
			for _, form := range w.asked {
				asked = append(asked, strings.Join(form["scope"], " "))
			}
			if want := []string{catalog, "repository:a:pull"}; !slices.Equal(asked, want) {
				t.Errorf("tokens were asked for %q, want %q", asked, want)
			}
		})
	}
}

// An identity token that has ended is not helped by fewer scopes.
func Test45RefusedIdentity(t *testing.T) {
	w := newWorld(t)
	w.refresh = "another"
	if _, err := tokensTry(t, w, w.signer(t, Credential{IdentityToken: NewSecret(canary)}), "HEAD", "a", "pull", "push"); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("got %v", err)
	}
	if _, k := w.counts(); k != 1 {
		t.Errorf("%d token requests, want 1", k)
	}
}

// tokensPartial makes the token server of w grant pulling alone, and not even
// that of secret repositories: by less than was asked for, or by refusing all.
func tokensPartial(w *world, refusal int, tells bool) {
	allowed := func(s Scope) Scope {
		if strings.Contains(s.prefix, "secret") {
			return Scope{}
		}
		return RepositoryScope(strings.TrimPrefix(s.prefix, "repository:"), "pull")
	}
	w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.asked = append(w.asked, r.URL.Query())
		asked := parseScopes(strings.Join(r.URL.Query()["scope"], " "))
		var granted []Scope
		for _, s := range asked {
			granted = append(granted, allowed(s))
		}
		if granted = mergeScopes(granted); refusal != 0 && !containsAll(granted, asked) {
			rw.WriteHeader(refusal)
			fmt.Fprint(rw, `{"errors":[{"code":"DENIED"}]}`)
			return
		}
		text := fmt.Sprintf("token-%d", w.tokenN.Add(1))
		w.granted[text] = granted
		if tells {
			fmt.Fprintf(rw, `{"token":%q,"scope":%q}`, text, strings.Join(scopeStrings(granted), " "))
			return
		}
		fmt.Fprintf(rw, `{"token":%q}`, text)
	})
	serve := w.registry.Config.Handler
	w.registry.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		scopes, known := w.granted[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		w.mu.Unlock()
		if known && !containsAll(scopes, []Scope{needed(r)}) {
			w.mu.Lock()
			w.arrivals = append(w.arrivals, r.Header.Get("Authorization"))
			w.mu.Unlock()
			rw.WriteHeader(403)
			fmt.Fprint(rw, `{"errors":[{"code":"DENIED"}]}`)
			return
		}
		serve.ServeHTTP(rw, r)
	})
}

// A token server may grant less than it is asked for. What the token allows
// works with it; the registry's 403 to the rest is final, and the error tells
// what was asked for, and what was granted if that is known.
func Test45PartialGrant(t *testing.T) {
	for _, tells := range []bool{false, true} {
		w := newWorld(t)
		tokensPartial(w, 0, tells)
		s := w.signer(t, password("bob", canary))
		w.do(t, s, "HEAD", "a", "pull", "push")
		_, err := tokensTry(t, w, s, "PUT", "a", "pull", "push")
		var e *Error
		if !errors.Is(err, ErrDenied) || !errors.As(err, &e) || e.Stage != StageRegistry {
			t.Fatalf("got %v", err)
		}
		if r, k := w.counts(); r != 3 || k != 1 {
			t.Errorf("%d requests and %d tokens, want 3 and 1: asking again gives no more", r, k)
		}
		want := "repository:a:pull,push was asked"
		if tells {
			want += " and repository:a:pull granted"
		}
		for _, want := range []string{want, `that of "bob" from static`, "DENIED"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q lacks %q", err, want)
			}
		}
		noCanary(t, "error", err.Error())
	}
}

// Some token servers refuse where they should grant less: they are asked again
// for what this one request needs, if that is less.
func Test45RefusedScopes(t *testing.T) {
	for _, status := range []int{401, 403} {
		for _, tc := range []struct {
			name, method, path string
			scopes             []Scope
			known              bool // the registry's challenge
			last               string
			tokens             int
			err                error
			stage              Stage
		}{
			{"a HEAD before a push", "HEAD", "a", []Scope{RepositoryScope("a", "pull", "push")}, false, "repository:a:pull", 2, nil, ""},
			{"a HEAD before a push, known", "HEAD", "a", []Scope{RepositoryScope("a", "pull", "push")}, true, "repository:a:pull", 2, nil, ""},
			{"a GET beside a secret one", "GET", "a", []Scope{RepositoryScope("a", "pull"), RepositoryScope("secret", "pull")}, true, "repository:a:pull", 2, nil, ""},
			{"a push", "PUT", "a", []Scope{RepositoryScope("a", "pull", "push")}, true, "repository:a:pull,push", 1, ErrDenied, StageToken},
			{"a pull", "GET", "secret", []Scope{RepositoryScope("secret", "pull")}, true, "repository:secret:pull", 1, ErrDenied, StageToken},
			{"a mount, which may not push either", "POST", "a", []Scope{RepositoryScope("a", "pull", "push"), RepositoryScope("secret", "pull")}, true, "repository:a:pull,push", 2, ErrDenied, StageToken},
		} {
			t.Run(fmt.Sprint(status, " ", tc.name), func(t *testing.T) {
				w := newWorld(t)
				tokensPartial(w, status, false)
				s := w.signer(t, password("bob", canary))
				if tc.known {
					w.do(t, s, "GET", "other", "pull")
					w.asked = nil
				}
				resp, err := s.Do(w.request(t, tc.method, tc.path, ""), Hint{Resource: w.resource(tc.path), Scopes: tc.scopes}, send)
				if err == nil {
					resp.Body.Close()
				}
				var e *Error
				switch {
				case (err == nil) != (tc.err == nil):
					t.Errorf("got %v", err)
				case err != nil && (!errors.As(err, &e) || e.StatusCode != status || e.Stage != tc.stage):
					t.Errorf("got %v, of stage %s", err, e.Stage)
				}
				if n := len(w.asked); n != tc.tokens || strings.Join(w.asked[n-1]["scope"], " ") != tc.last {
					t.Errorf("tokens were asked for with %v, want %d, the last for %s", w.asked, tc.tokens, tc.last)
				}
			})
		}
	}
}
