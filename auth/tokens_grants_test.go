package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// A GET has one scope parameter for each repository, all actions of one in
// one, and scopes that nobody knows as they came.
func Test33ScopeParameters(t *testing.T) {
	w := newWorld(t)
	w.challenge = func() string {
		return `Bearer realm="` + w.tokens.URL + `/token?own=1",service="reg",scope="repository:a:pull aws artifact-repository:a:write,read"`
	}
	s := newSigner(t, nil)
	mount := Hint{Resource: w.resource("a"), Scopes: []Scope{RepositoryScope("a", "push", "pull"), RepositoryScope("from", "pull"), RepositoryScope("a", "pull")}}
	resp, err := s.Do(w.request(t, "PUT", "a", ""), mount, send)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	want := []string{"repository:a:pull,push", "aws", "artifact-repository:a:write,read", "repository:from:pull"}
	if got := w.asked[0]["scope"]; !slices.Equal(got, want) {
		t.Errorf("scopes %q, want %q", got, want)
	}
	if w.asked[0].Get("service") != "reg" || w.asked[0].Get("own") != "1" {
		t.Errorf("parameters %v", w.asked[0])
	}
	w.do(t, s, "GET", "b", "pull") // the bare scope is for all, those of a resource are not
	if got, want := w.asked[1]["scope"], []string{"repository:b:pull", "aws"}; !slices.Equal(got, want) {
		t.Errorf("scopes %q, want %q", got, want)
	}
}

// An identity token goes by POST. Where that gets nothing, and a password is
// there as well, that goes by GET.
func Test34IdentityToken(t *testing.T) {
	refresh := Credential{Username: "bob", IdentityToken: NewSecret(canary + "-refresh")}
	both := refresh
	both.Password = NewSecret(canary)
	for _, tc := range []struct {
		name       string
		credential Credential
		postStatus int
		methods    string
		err        error // of the operation, if it fails
		fails      bool
	}{
		{"user and password", password("bob", canary), 0, "GET", nil, false},
		{"identity token", refresh, 0, "POST", nil, false},
		{"identity token without a user", Credential{IdentityToken: refresh.IdentityToken}, 0, "POST", nil, false},
		{"identity token and password", both, 0, "POST", nil, false},
		{"no OAuth 2, and a password", both, 404, "POST GET", nil, false},
		{"POST not allowed, and a password", both, 405, "POST GET", nil, false},
		{"rejected, and a password", both, 401, "POST GET", nil, false},
		{"malformed, and a password", both, 400, "POST GET", nil, false},
		{"no OAuth 2, no password", refresh, 404, "POST", ErrUnauthorized, true},
		{"POST not allowed, no password", refresh, 405, "POST", ErrUnauthorized, true},
		{"rejected, no password", refresh, 401, "POST", ErrUnauthorized, true},
		{"denied, and a password", both, 403, "POST", ErrDenied, true},
		{"busy, and a password", both, 429, "POST", nil, true},
		{"broken, and a password", both, 500, "POST", nil, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.user, w.password, w.refresh, w.postStatus = "bob", canary, canary+"-refresh", tc.postStatus
			_, err := tokensTry(t, w, w.signer(t, tc.credential), "GET", "a", "pull")
			if (err != nil) != tc.fails || tc.err != nil && !errors.Is(err, tc.err) || strings.Join(w.methods, " ") != tc.methods {
				t.Errorf("got %v after %v", err, w.methods)
			}
			if err != nil {
				noCanary(t, "error", fmt.Sprintf("%v %+v %#v", err, err, err))
			}
			if w.methods[0] == "POST" {
				tokensForm(t, w.asked[0], url.Values{
					"grant_type": {"refresh_token"}, "refresh_token": {canary + "-refresh"},
					"service": {"reg"}, "client_id": {clientID}, "scope": {"repository:a:pull"},
				})
			}
		})
	}
	t.Run("several scopes are one parameter", func(t *testing.T) {
		w := newWorld(t)
		w.refresh = canary
		hint := Hint{Resource: w.resource("a"), Scopes: []Scope{RepositoryScope("a", "pull", "push"), RepositoryScope("b", "pull")}}
		resp, err := w.signer(t, Credential{IdentityToken: NewSecret(canary)}).Do(w.request(t, "GET", "a", ""), hint, send)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got, want := w.asked[0]["scope"], []string{"repository:a:pull,push repository:b:pull"}; !slices.Equal(got, want) {
			t.Errorf("scope %q, want %q", got, want)
		}
	})
	t.Run("both fail", func(t *testing.T) {
		w := newWorld(t)
		w.user, w.password, w.postStatus = "bob", "other", 400
		_, err := tokensTry(t, w, w.signer(t, both), "GET", "a", "pull")
		if !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), "answered 401") || !strings.Contains(err.Error(), "400 bad request to the identity token") {
			t.Errorf("got %v", err)
		}
	})
}

func tokensForm(t *testing.T, got, want url.Values) {
	t.Helper()
	if got.Encode() != want.Encode() {
		t.Errorf("the form has %v, want %v", got, want)
	}
}

// A password goes into a POST only where that was asked for, and then by GET
// where the server wants it so.
func Test35PasswordGrant(t *testing.T) {
	identity := Credential{Username: "bob", IdentityToken: NewSecret(canary), Password: NewSecret(canary)}
	for _, tc := range []struct {
		name       string
		option     bool
		credential Credential
		postStatus int // 0: accepted
		methods    string
		fails      bool
	}{
		{"off", false, password("bob", canary), 0, "GET", false},
		{"on", true, password("bob", canary), 0, "POST", false},
		{"on, no OAuth 2", true, password("bob", canary), 404, "POST GET", false},
		{"on, POST not allowed", true, password("bob", canary), 405, "POST GET", false},
		{"on, grant unknown", true, password("bob", canary), 400, "POST GET", false},
		{"on, POST unauthorized", true, password("bob", canary), 401, "POST GET", false},
		{"on, denied", true, password("bob", canary), 403, "POST", true},
		{"on, wrong password", true, password("bob", "x"), 401, "POST GET", true},
		{"on, identity token", true, identity, 0, "POST", false},
		{"on, anonymous", true, Credential{}, 0, "GET", false},
		{"on, user alone", true, Credential{Username: "bob"}, 0, "GET", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.user, w.password = "bob", canary
			serve := w.tokens.Config.Handler
			var forms []url.Values
			w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Method != "POST" {
					serve.ServeHTTP(rw, r)
					return
				}
				r.ParseForm()
				w.mu.Lock()
				defer w.mu.Unlock()
				w.methods, forms = append(w.methods, "POST"), append(forms, r.PostForm)
				if tc.postStatus != 0 {
					rw.WriteHeader(tc.postStatus)
					return
				}
				w.granted["posted"] = parseScopes(r.PostForm.Get("scope"))
				fmt.Fprint(rw, `{"access_token":"posted"}`)
			})
			s := newSigner(t, &SignerOptions{Provider: Static(w.resource(""), tc.credential), PasswordGrant: tc.option})
			_, err := tokensTry(t, w, s, "GET", "a", "pull")
			if (err != nil) != tc.fails || strings.Join(w.methods, " ") != tc.methods {
				t.Errorf("got %v after %v", err, w.methods)
			}
			if err != nil {
				noCanary(t, "error", fmt.Sprintf("%v %+v %#v", err, err, err))
			}
			if len(forms) == 0 {
				return
			}
			want := url.Values{"grant_type": {"password"}, "username": {"bob"}, "password": {tc.credential.Password.Reveal()}, "service": {"reg"}, "client_id": {clientID}, "scope": {"repository:a:pull"}}
			if !tc.credential.IdentityToken.IsZero() {
				want = url.Values{"grant_type": {"refresh_token"}, "refresh_token": {canary}, "service": {"reg"}, "client_id": {clientID}, "scope": {"repository:a:pull"}}
			}
			tokensForm(t, forms[0], want)
		})
	}
}

// A token is in token or in access_token. An answer without one is no token,
// whatever its status says, and what it says instead is told.
func Test36TokenAnswers(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		err        error  // ErrUnauthorized, ErrDenied, or nil: another failure
		tells      string // in the error; empty: the token is "good"
	}{
		{"token", `{"token":"good"}`, nil, ""},
		{"access_token", `{"access_token":"good"}`, nil, ""},
		{"both", `{"token":"good","access_token":"good"}`, nil, ""},
		{"token empty", `{"token":"","access_token":"good"}`, nil, ""},
		{"token null", `{"token":null,"access_token":"good","expires_in":null,"scope":null}`, nil, ""},
		{"unknown members", `{"token":"good","scope":["repository:a:pull"],"expires_in":{},"x":1}`, nil, ""},
		{"missing both", `{}`, nil, "without a token"},
		{"both empty", `{"token":"","access_token":""}`, nil, "without a token"},
		{"a list", `["good"]`, nil, "without a token"},
		{"nothing", ``, nil, "without a token"},
		{"HTML", `<html>log in</html>`, nil, "without a token"},
		{"line break in the token", `{"token":"a\r\nX: y"}`, nil, "without a token"},
		{"more after it", `{"token":"good"}{"token":"bad"}`, nil, "without a token"},
		{"too large", `{"token":"` + strings.Repeat("a", maxTokenAnswer) + `"}`, nil, "answer"},
		{"an error of the registry's form", `{"errors":[{"code":"UNAUTHORIZED","message":"` + canary + `"}]}`, ErrUnauthorized, "UNAUTHORIZED"},
		{"a denial of the registry's form", `{"errors":[{"code":"DENIED"}]}`, ErrDenied, "DENIED"},
		{"an error of OAuth 2", `{"error":"invalid_grant","error_description":"` + canary + `"}`, ErrUnauthorized, "invalid_grant"},
		{"an error of no kind", `{"error":"server_error"}`, nil, "server_error"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.granted["good"] = parseScopes("repository:a:pull")
			w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte(tc.body)) })
			_, err := tokensTry(t, w, newSigner(t, nil), "GET", "a", "pull")
			if tc.tells == "" {
				if err != nil || w.arrivals[1] != "Bearer good" {
					t.Errorf("got %v after %q", err, w.arrivals)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || e.Stage != StageToken || !strings.Contains(err.Error(), tc.tells) {
				t.Fatalf("got %v", err)
			}
			if tc.err == nil && (errors.Is(err, ErrUnauthorized) || errors.Is(err, ErrDenied)) || tc.err != nil && !errors.Is(err, tc.err) {
				t.Errorf("%v is of the wrong kind", err)
			}
			noCanary(t, "error", fmt.Sprintf("%v %+v %#v", err, e, e))
		})
	}
}
