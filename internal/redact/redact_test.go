package redact_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/portolan-oci/portolan/internal/redact"
)

func TestURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://r.example/v2/a/tags/list?n=10&last=1.0.0":                   "https://r.example/v2/a/tags/list?n=10&last=1.0.0",
		"https://u:canary@r.example/v2/":                                     "https://r.example/v2/",
		"https://s3.example/b?X-Amz-Signature=canary&digest=sha256:aa":       "https://s3.example/b?X-Amz-Signature=REDACTED&digest=sha256:aa",
		"https://s3.example/b?sc%6Fpe=a&s%69g=canary":                        "https://s3.example/b?sc%6Fpe=a&s%69g=REDACTED",
		"https://r.example/v2/#access_token=canary":                          "https://r.example/v2/",
		"https://s3.example/b?digest=a;sig=canary":                           "https://s3.example/b?digest=REDACTED",
		"https://s3.example/b?scope=a%26sig=canary&n=%zz":                    "https://s3.example/b?scope=REDACTED&n=REDACTED",
		"https://r.example/t?scope=repository:a/b:pull,push&from=a/b":        "https://r.example/t?scope=repository:a/b:pull,push&from=a/b",
		"https://r.example/t?service=r.example&mount=sha256:aa&ns=r.example": "https://r.example/t?service=r.example&mount=sha256:aa&ns=r.example",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := redact.URL(u); got != want {
			t.Errorf("URL(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"get https://u:canary@b.example/x?sig=canary: refused": "get https://b.example/x?sig=REDACTED: refused",
		`parse "https://b.example/%zz?sig=canary": invalid`:    `parse "https://b.example/%zz?REDACTED": invalid`,
		"https://b.example/x?canary":                           "https://b.example/x?REDACTED",
		`Location header "/b%zz?n=1&sig=canary": invalid`:      `Location header "/b%zz?n=1&sig=REDACTED": invalid`,
		`parse "//b.example/%zz?sig=canary": invalid`:          `parse "//b.example/%zz?sig=REDACTED": invalid`,
		`parse "//u:canary@b.example/%zz": invalid`:            `parse "//b.example/%zz": invalid`,
		`parse "x": invalid port ":can\"ary" after host`:       `parse "x": invalid port after host`,
		"a//b@c is no address":                                 "a//b@c is no address",
		"is it? a=b":                                           "is it? a=b",
		"\x1b]0;title\atwo\nlines\u009b31m\u202e":              "]0;titletwo lines31m",
		"plain": "plain",
	} {
		if got := redact.Text(in, 200); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
	if got := redact.Text(strings.Repeat("é", 100), 9); got != "éééé…" {
		t.Errorf("cut to %q", got)
	}
}

func FuzzText(f *testing.F) {
	f.Add("get https://u:p@b.example/x?sig=1", 10)
	f.Add("\x1b[2J\xff", 3)
	f.Fuzz(func(t *testing.T, in string, max int) {
		if max < 0 || max > 1<<16 {
			return
		}
		got := redact.Text(in, max)
		if len(got) > max+len("…") || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("Text(%q, %d) = %q", in, max, got)
		}
	})
}

func TestErrorHidesTheQuery(t *testing.T) {
	in := fmt.Errorf("wrapped: %w", &url.Error{Op: "Get", URL: "https://s3.example/b?sig=canary", Err: io.ErrUnexpectedEOF})
	got := redact.Error(in)
	if strings.Contains(got.Error(), "canary") {
		t.Errorf("the secret is in %q", got)
	}
	if !errors.Is(got, io.ErrUnexpectedEOF) {
		t.Errorf("%v has lost its cause", got)
	}
}

// Whoever prints each error of a chain by itself sees no more than the whole.
func TestErrorHidesItInTheWholeChain(t *testing.T) {
	malformedAt := strings.Join([]string{"http://u:canary", "@b.example/"}, "#")
	_, malformed := url.Parse(malformedAt)
	for _, inner := range []error{
		fmt.Errorf("failed to parse Location header %q", "/b%zz?sig=canary"),
		&url.Error{Op: "parse", URL: "//u:canary@b.example/%zz", Err: url.EscapeError("%zz")},
		malformed,
		os.ErrDeadlineExceeded,
	} {
		whole := redact.Error(&url.Error{Op: "Get", URL: "https://u:canary@b.example", Err: inner})
		for err := whole; err != nil; err = errors.Unwrap(err) {
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the secret is in %q", err)
			}
		}
		if !errors.Is(whole, inner) {
			t.Errorf("%v has lost its cause", whole)
		}
	}
}

func TestProxy(t *testing.T) {
	if redact.Proxy(nil) != nil {
		t.Error("no function became one")
	}
	malformedAt := strings.Join([]string{"http://u:canary", "@b.example/"}, "#")
	_, malformed := url.Parse(malformedAt)
	own := errors.New("no proxy is known for this host")
	for in, want := range map[error]string{
		malformed: "the proxy's address",
		fmt.Errorf("invalid proxy address %q: %v", "u:canary@[b", io.EOF): "the proxy's address",
		own: own.Error(),
	} {
		_, err := redact.Proxy(func(*http.Request) (*url.URL, error) { return nil, in })(nil)
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	u, err := redact.Proxy(http.ProxyURL(&url.URL{Host: "p"}))(nil)
	if err != nil || u.Host != "p" {
		t.Errorf("%v, %v", u, err)
	}
}

func TestHeader(t *testing.T) {
	h := http.Header{"Proxy-Authorization": {"Basic canary"}, "Cookie": {"canary", "canary"}, "Set-Cookie": {"canary"}, "Www-Authenticate": {`Basic realm="shown"`}, "Authorization": {"Bearer canary"}, "Location": {"https://s3.example/b?sig=canary"}, "Accept": {"*/*"}}
	got := fmt.Sprint(redact.Header(h))
	if strings.Contains(got, "canary") || !strings.Contains(got, "*/*") || !strings.Contains(got, "shown") {
		t.Errorf("Header = %s", got)
	}
	if h.Get("Authorization") != "Bearer canary" {
		t.Error("the original was changed")
	}
}
