package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// leaksTrip is a transport without a network.
type leaksTrip func(*http.Request) (*http.Response, error)

func (f leaksTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func leaksAnswer(req *http.Request, status int, header http.Header, body string) *http.Response {
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req}
}

// leaksTexts is all that an error shows, to those too who print a chain error
// by error.
func leaksTexts(err error) []string {
	if err == nil {
		return nil
	}
	texts := []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), fmt.Sprintf("%q", err)}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		texts = append(texts, leaksTexts(e.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			texts = append(texts, leaksTexts(inner)...)
		}
	}
	return texts
}

// leaksServers are a registry and its token server of which a fuzzer writes the
// answers. Each {} in them is a canary: everything that they were sent.
type leaksServers struct {
	status, tokenStatus                           int
	challenge, query, user, body, token, location string
}

func leaksPlant(s, secret string) string { return strings.ReplaceAll(s, "{}", secret) }

func (s leaksServers) send(req *http.Request) (*http.Response, error) {
	h := http.Header{"Set-Cookie": {"session=" + canary}}
	// What a realm's query and user hold is secret, and the rest of it is shown.
	realm := url.URL{Scheme: "https", Host: "auth.example", Path: "/token", RawQuery: url.Values{"key": {leaksPlant(s.query, canary)}}.Encode()}
	if s.user != "" {
		realm.User = url.UserPassword("u", leaksPlant(s.user, canary))
	}
	h.Add("WWW-Authenticate", strings.ReplaceAll(strings.ReplaceAll(s.challenge, "{}", "x"), "REALM", realm.String()))
	h.Set("Location", leaksPlant(s.location, canary))
	return leaksAnswer(req, s.status, h, leaksPlant(s.body, canary)), nil
}

func (s leaksServers) tokenTransport(func(context.Context, string, string, syscall.RawConn) error) http.RoundTripper {
	return leaksTrip(func(req *http.Request) (*http.Response, error) {
		if s.tokenStatus == 0 {
			// net/http repeats an answer that is none, and this one what was sent.
			_, sent, _ := req.BasicAuth()
			if err := req.ParseForm(); err == nil && req.Form.Has("refresh_token") {
				sent = req.Form.Get("refresh_token")
			}
			return nil, errors.New("malformed answer " + leaksPlant(s.token, sent))
		}
		location := "https://auth.example/token?x=" + url.QueryEscape(leaksPlant(s.location, canary))
		return leaksAnswer(req, s.tokenStatus, http.Header{"Location": {location}}, leaksPlant(s.token, canary)), nil
	})
}

// Whatever a registry, a token server, a helper and a file say, in errors and
// in the log there is no secret of theirs and none that they were sent.
//
//ci:fuzztime 1500x
func Fuzz57NothingIsShown(f *testing.F) {
	bearer := `Bearer realm="REALM",service="s",scope="repository:a:pull"`
	f.Add(401, 200, bearer, "k={}", "", `{"errors":[{"code":"{}","message":"{}"}]}`, `{"token":"{}","refresh_token":"{}"}`, "/x?sig={}", "auth", "me:{}", "", 0)
	f.Add(401, 401, bearer, "{}", "{}", `{}`, `{"error":"{}","error_description":"{}"}`, "https://u:{}@b.example/", "identitytoken", "{}", `"Username":"<token>","Secret":"{}"}`, 0)
	f.Add(401, 0, bearer, "", "", ``, `4xx {}`, "", "auth", "me:{}", "", 0)
	f.Add(401, 0, bearer, "", "", ``, `4xx {}`, "", "auth", "me:\xff\x01{}", "", 0)
	f.Add(403, 0, `Basic realm="r"`, "", "", `token {} expired`, `{}`, "//u:{}@x/%zz", "auth", "{}", `"Username":"me","Secret":"{}"}`, 3)
	f.Add(400, 302, `Bearer realm="REALM`, "", "", ``, ``, "", "registrytoken", "{}", `"ServerURL":"{}"`, 9)
	f.Add(401, 200, `Bearer error="invalid_token",realm=REALM`, "{}", "", ``, `{"token":"\u0000{}"}`, "", "password", "{}", `[{}]`, 1)
	dir := f.TempDir()
	helper := filepath.Join(dir, helperPrefix+"leaks")
	if err := os.WriteFile(helper, []byte("#!/bin/sh\ncat >/dev/null\ncat \"$LEAKS_ANSWER\"\ncat \"$LEAKS_ANSWER\" >&2\n"), 0o700); err != nil {
		f.Fatal(err)
	}
	f.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	f.Fuzz(func(t *testing.T, status, tokenStatus int, challenge, query, user, body, token, location, field, value, helperAnswer string, cut int) {
		if status < 200 || status > 599 || tokenStatus != 0 && (tokenStatus < 200 || tokenStatus > 599) {
			return
		}
		s := leaksServers{status, tokenStatus, challenge, query, user, body, token, location}
		var lines bytes.Buffer
		log := slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
		here := t.TempDir()
		file := leaksFile(t, here, field, leaksPlant(value, canary), helperAnswer, cut, log)
		r := Resource{Host: "r.example"}
		opts := SignerOptions{Provider: file, NewTransport: s.tokenTransport, Logger: log}
		look := func(err error) {
			for _, text := range leaksTexts(err) {
				if strings.Contains(text, canary) {
					t.Errorf("an error shows a secret: %s", text)
				}
			}
		}
		c, err := file.Credential(t.Context(), r)
		if strings.Contains(c.Username, canary) {
			return // names are shown
		}
		look(err)
		findings, _ := Explain(t.Context(), file, r)
		for _, found := range findings {
			look(found.Err)
			if text := fmt.Sprintf("%+v", found); strings.Contains(text, canary) {
				t.Errorf("a finding shows a secret: %s", text)
			}
		}
		for _, c := range []Credential{{}, password("bob", canary), {IdentityToken: NewSecret(canary)}, {RegistryToken: NewSecret(canary)}} {
			if !c.IsZero() {
				opts.Provider = Static(r, c)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://r.example/v2/a", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := newSigner(t, &opts).Do(req, Hint{Resource: r, Scopes: []Scope{RepositoryScope("a", "pull")}}, s.send)
			if err == nil {
				resp.Body.Close()
			}
			look(err)
			if c.IsZero() {
				continue
			}
			store := NewMemoryStore()
			result, err := Login(t.Context(), store, r, c, &LoginOptions{Transport: leaksTrip(s.send), Signer: opts})
			look(err)
			if text := fmt.Sprintf("%+v", result); strings.Contains(text, canary) {
				t.Errorf("a result shows a secret: %s", text)
			}
		}
		if strings.Contains(lines.String(), canary) {
			t.Errorf("the log shows a secret: %s", lines.String())
		}
	})
}

// leaksFile is a store of a file whose one entry has one field, of which the
// last bytes are cut off, or of a helper with that answer.
func leaksFile(t *testing.T, dir, field, value, helperAnswer string, cut int, log *slog.Logger) *FileStore {
	t.Helper()
	if field == "auth" {
		value = b64(value)
	}
	text := fmt.Sprintf(`{"auths":{"r.example":{%s:%s}}}`, encodeString(field), encodeString(value))
	if field == "username" || strings.EqualFold(field, "username") {
		text = "{}" // a name is shown
	}
	if helperAnswer != "" {
		path := filepath.Join(dir, "answer")
		// A user's name is shown, and the first line of what a helper complains of.
		if err := os.WriteFile(path, []byte("{"+leaksPlant(helperAnswer, canary)), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("LEAKS_ANSWER", path)
		text = `{"credsStore":"leaks"}`
	}
	return fileStore(t, text[:max(0, len(text)-max(0, cut))], &FileOptions{Logger: log})
}
