package registry

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestParseWarnings(t *testing.T) {
	for _, tc := range []struct {
		name   string
		values []string
		want   []string
	}{
		{"none", nil, nil},
		{"the spec's", []string{`299 - "Your auth token will expire in 30 seconds."`}, []string{"Your auth token will expire in 30 seconds."}},
		{"two headers", []string{`299 - "a"`, `299 - "b"`}, []string{"a", "b"}},
		{"a list", []string{`299 - "a, 299 - b", 299 - "c"`}, []string{"a, 299 - b", "c"}},
		{"escapes", []string{`299 - "say \"hi\" to c:\\"`}, []string{`say "hi" to c:\`}},
		{"with a date", []string{`299 - "a" "Sat, 25 Aug 2012 23:34:45 GMT"`}, []string{"a"}},
		{"of a cache", []string{`110 - "Response is Stale"`, `299 proxy.example "other agent"`}, nil},
		{"malformed", []string{`299`, `299 - unquoted`, `299 - "open`, `x299 - "a"`, `299 - ""`}, nil},
		{"of a terminal", []string{"299 - \"a\x1b[2J\tb\""}, []string{"a[2J b"}},
		{"with a signed URL", []string{`299 - "see https://u:p@b.example/x?sig=canary"`}, []string{"see https://b.example/x?sig=REDACTED"}},
		{"long", []string{`299 - "` + strings.Repeat("x", 1000) + `"`}, []string{strings.Repeat("x", maxWarning) + "…"}},
		{"too long", []string{strings.Repeat(" ", maxWarningHeader), `299 - "a"`}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, parseWarnings(tc.values)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseWarnings(f *testing.F) {
	f.Add(`299 - "a", 299 - "b \" c"`, `110 - "x"`)
	f.Add("299 - \"\x1b\xff\\", "299 -\t\"\"")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, text := range parseWarnings([]string{a, b}) {
			if text == "" || len(text) > maxWarning+len("…") || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q of %q and %q", text, a, b)
			}
		}
	})
}

// What one registry writes into its warnings does not silence another one.
func TestWarningsOfAnotherHost(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	w := newWarnings()
	tell := func(host, text string) {
		resp := &http.Response{Header: http.Header{"Warning": {`299 - "` + text + `"`}}, Request: &http.Request{URL: &url.URL{Host: host}}}
		w.tell(t.Context(), logger, resp)
	}
	for i := range 2 * maxWarnings {
		tell("noisy.example", fmt.Sprint("noise ", i))
	}
	if n := strings.Count(log.String(), "noise"); n != maxWarnings {
		t.Errorf("%d warnings of one host are told, want %d", n, maxWarnings)
	}
	for range 2 {
		tell("r.example", "the end is near")
	}
	if n := strings.Count(log.String(), "the end is near"); n != 1 {
		t.Errorf("the warning of another host is told %d times, want once", n)
	}
	for i := range 2 * maxHosts {
		tell(fmt.Sprint(i, ".example"), "noise")
	}
	if n := len(w.told); n > maxHosts {
		t.Errorf("the warnings of %d hosts are remembered", n)
	}
}
