package redact_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/internal/redact"
)

func TestEchoes(t *testing.T) {
	req, err := http.NewRequestWithContext(redact.WithSecrets(t.Context(), redact.Spellings("in-the-body")), "GET", "https://r.example/x?sig=in-the-query&digest=sha256:aa", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("me", "in a/header")
	req.Header.Set("X-Key", "in-a-header")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Short", "abc")
	echoes := redact.Echoes(req)
	for _, text := range []string{
		"in-the-body", "in-the-query", "in-a-header", "in a/header", "in+a%2Fheader", "in%20a%2Fheader", req.Header.Get("Authorization"),
		strings.TrimPrefix(req.Header.Get("Authorization"), "Basic "), "aW4tYS1oZWFkZXI=",
	} {
		if got := redact.Hide("not "+text+"!", echoes); got != "not REDACTED!" {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
	for _, text := range []string{"sha256:aa", "application/json", "abc", "https://r.example/x"} {
		if got := redact.Hide(text, echoes); got != text {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
	if redact.Echoes(nil) != nil {
		t.Error("no request has secrets")
	}
}

func TestHideError(t *testing.T) {
	secrets := redact.Spellings("canary")
	got := redact.HideError(fmt.Errorf("malformed answer %q: %w", "HTTP/1.1 canary", io.EOF), secrets)
	if !errors.Is(got, io.EOF) || errors.Unwrap(got) != nil {
		t.Errorf("%v: its cause is lost, or can be printed", got)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%x"} {
		if text := fmt.Sprintf(verb, got); strings.Contains(text, "canary") || strings.Contains(text, fmt.Sprintf("%x", "canary")) {
			t.Errorf("%s: %s", verb, text)
		}
	}
	if plain := errors.New("plain"); redact.HideError(plain, secrets) != plain || redact.HideError(nil, secrets) != nil {
		t.Error("an error without a secret is another one now")
	}
}
