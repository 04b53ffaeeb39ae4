package device_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth/device"
)

// FuzzAnswer: whatever a provider answers, what is shown to somebody is short,
// printable and an https address, or nothing.
func FuzzAnswer(f *testing.F) {
	f.Add(`{"device_code":"d","user_code":"WDJB-MJHT","verification_uri":"https://idp.example.com/activate","expires_in":600,"interval":5}`)
	f.Add(`{"device_code":"d","user_code":"u","verification_url":"https://idp.example.com","verification_uri_complete":"javascript:alert(1)"}`)
	f.Add(`{"device_code":"d","user_code":"u","verification_uri":"https://idp.example.com","expires_in":-1e400,"interval":"-1"}`)
	f.Add(`{"Device_Code":"d","user_code":"\u001b[2J","verification_uri":"HTTPS://idp.example.com"}`)
	f.Add(`null`)
	seen := errors.New("seen")
	f.Fuzz(func(t *testing.T, raw string) {
		if raw == "" {
			return // the harness has an answer of its own for that
		}
		p := &deviceProvider{raw: raw}
		_, err := p.flow().Token(t.Context(), device.PrompterFunc(func(_ context.Context, p device.Prompt) error {
			for _, text := range []string{p.URI, p.CompleteURI} {
				if u, err := url.Parse(text); text != "" && (err != nil || u.Scheme != "https" || u.Host == "" || len(text) > 2048) {
					t.Errorf("address %q is shown", text)
				}
			}
			if p.URI == "" || p.UserCode == "" || len(p.UserCode) > 64 {
				t.Errorf("shown: %+v", p)
			}
			if strings.ContainsFunc(p.URI+p.CompleteURI+p.UserCode, func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Errorf("not printable: %q", p)
			}
			if left := time.Until(p.Expires); left > device.DefaultMaxWait {
				t.Errorf("%s are left", left)
			}
			return seen
		}))
		if _, ok := errors.AsType[*device.Error](err); !ok && !errors.Is(err, seen) {
			t.Errorf("got %v", err)
		}
	})
}
