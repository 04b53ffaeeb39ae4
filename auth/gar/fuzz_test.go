package gar

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// FuzzMatchHost: what is taken for a registry of Google is one when net/url
// reads it, too.
func FuzzMatchHost(f *testing.F) {
	for _, s := range []string{
		"us-central1-docker.pkg.dev", "gcr.io", "eu.gcr.io", "gcr.io:443", "docker.pkg.dev", "us-docker.pkg.dev.evil.example", "evil.example/.gcr.io",
		"evil.example?.gcr.io", "evil.example#.gcr.io", "a@b.gcr.io", "evilgcr.io", "a.b.gcr.io",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, ours := matchHost(host)
		if !ours {
			if name != "" {
				t.Errorf("%q is not ours, and %q", host, name)
			}
			return
		}
		u, err := url.Parse("https://" + name + "/v2/")
		if err != nil || u.Hostname() != name || u.Port() != "" || u.User != nil || u.Path != "/v2/" {
			t.Fatalf("%q is taken for a registry, and the request goes to %v", host, u)
		}
		label, rest, _ := strings.Cut(u.Hostname(), ".")
		if name != "gcr.io" && rest != "gcr.io" && !(rest == "pkg.dev" && strings.HasSuffix(label, "-docker")) {
			t.Errorf("%q is taken for a registry", host)
		}
		if r, err := auth.ParseResource(name); err != nil || r.Host != name {
			t.Errorf("%q is no host: %v", name, err)
		}
	})
}

// FuzzGoogleEndpoint: what is sent to an endpoint goes to Google, over TLS.
func FuzzGoogleEndpoint(f *testing.F) {
	for _, s := range []string{tokenURL, stsURL, iamURL, "https://accounts.google.com/o/oauth2/token", "https://googleapis.com.evil.example", "https://evil.example/.googleapis.com", "https://u@oauth2.googleapis.com", "//oauth2.googleapis.com"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := googleEndpoint(s)
		if err != nil {
			return
		}
		u, err := url.Parse(at)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Hostname() != "accounts.google.com" && !strings.HasSuffix(u.Hostname(), ".googleapis.com") {
			t.Errorf("%q leads to %q", s, at)
		}
	})
}

// FuzzParseCredentials: a file is one of the known types, or an error that
// shows nothing of it.
func FuzzParseCredentials(f *testing.F) {
	for _, v := range []any{
		userFile(), federation(map[string]any{"file": "/x", "format": map[string]any{"type": "json"}}, nil), map[string]any{"type": "gdch_service_account"},
		map[string]any{"type": "service_account", "client_email": 7}, []string{"canary"},
	} {
		text, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := parseCredentials(content)
		if (file == nil) == (err == nil) {
			t.Fatalf("%v, %v", file, err)
		}
		if e, ok := errors.AsType[*auth.Error](err); err != nil && (!ok || len(e.Message) > 200 || len(e.Causes) > 0) {
			t.Errorf("%v", err)
		}
		if err == nil {
			if _, err := sign(file, tokenURL, time.Now()); err == nil && file.ClientEmail == "" {
				t.Error("an assertion of nobody")
			}
		}
	})
}

// FuzzAccessToken: a token fits a header, and ends within a day.
func FuzzAccessToken(f *testing.F) {
	f.Add([]byte(`{"access_token":"a","expires_in":3599}`))
	f.Add([]byte(`{"access_token":"a","expires_in":"300"}`))
	f.Add([]byte(`{"access_token":"a","expires_in":1e400}`))
	f.Add([]byte(`{"access_token":"a","expires_in":-1}`))
	f.Add([]byte(`{"access_token":"a b"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		now := time.Now()
		c, err := call{}.accessToken(body, now)
		if err != nil {
			return
		}
		if left := c.Expires.Sub(now); left < 0 || left > maxLife || !isToken(c.Password.Reveal()) || c.Username != tokenUser {
			t.Errorf("%q ends in %s", c.Password.Reveal(), left)
		}
	})
}

// FuzzSubjectToken: what is taken out of a file fits a form of one line.
func FuzzSubjectToken(f *testing.F) {
	f.Add("text", "", []byte("token\n"))
	f.Add("json", "value", []byte(`{"value":"token"}`))
	f.Add("json", "value", []byte(`{"value":["token"]}`))
	f.Add("xml", "", []byte("token"))
	f.Fuzz(func(t *testing.T, format, field string, content []byte) {
		s := subjectSource{}
		s.Format.Type, s.Format.Field = format, field
		if token, ok := s.parse(content); ok && !isToken(token) {
			t.Errorf("%q", token)
		}
	})
}

// FuzzCodesOf: a code is a word.
func FuzzCodesOf(f *testing.F) {
	f.Add([]byte(`{"error":"invalid_grant","error_description":"x"}`))
	f.Add([]byte(`{"error":{"code":403,"message":"x","status":"PERMISSION_DENIED"}}`))
	f.Add([]byte(`{"error":"what is token=abc?"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if codes := codesOf(body); len(codes) > 1 || len(codes) == 1 && !code.MatchString(codes[0]) {
			t.Errorf("%q", codes)
		}
	})
}

func TestLifeOf(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"3599": 3599 * time.Second, `"300"`: 5 * time.Minute, "20": 20 * time.Second, "": unknownLife, "null": unknownLife, "0": unknownLife, "-1": unknownLife,
		"1e300": maxLife, `"soon"`: unknownLife, "NaN": unknownLife,
	} {
		if got := lifeOf([]byte(text)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
