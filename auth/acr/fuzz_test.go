package acr

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// FuzzMatchHost: what is taken for a login server is one when net/url reads
// it, too, and nothing else.
func FuzzMatchHost(f *testing.F) {
	for _, s := range []string{
		"contoso.azurecr.io", "contoso-abc123.azurecr.cn", "contoso.eastus.geo.azurecr.us", "contoso.azurecr.io:443", "contoso.eastus.data.azurecr.io",
		"contoso.azurecr.io.evil.example", "evil.example/.azurecr.io", "evil.example?.azurecr.io", "evil.example#.azurecr.io", "a@b.azurecr.io", "azurecr.io", "a:1.azurecr.io",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, in, why := matchHost(host)
		if why != "" {
			if name != "" || in != (cloud{}) {
				t.Errorf("%q is no login server, and %q", host, name)
			}
			return
		}
		u, err := url.Parse("https://" + name + "/oauth2/exchange")
		if err != nil || u.Hostname() != name || u.Port() != "" || u.User != nil || u.Path != "/oauth2/exchange" || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("%q is taken for a login server, and the request goes to %v", host, u)
		}
		if before, found := strings.CutSuffix(u.Hostname(), in.domain); !found || strings.Contains(before, ".") && !strings.HasSuffix(before, ".geo") {
			t.Errorf("%q is taken for a login server", host)
		}
		if r, err := auth.ParseResource(name); err != nil || r.Host != name {
			t.Errorf("%q is no host: %v", name, err)
		}
	})
}

// FuzzLifeOf: whatever a token says, it is asked for again between a minute
// and a day later.
func FuzzLifeOf(f *testing.F) {
	now := time.Unix(1_700_000_000, 0)
	k := keys()[0]
	f.Add(sign(k, map[string]any{"iat": 1_700_000_000, "exp": 1_700_010_800}))
	f.Add(sign(k, map[string]any{"exp": 1_700_010_800}))
	f.Add(sign(k, map[string]any{"exp": 1e300}))
	f.Add(sign(k, map[string]any{"exp": "soon"}))
	f.Add("a.e30.c")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		if life := lifeOf(token, now); life < minLife || life > maxLife {
			t.Errorf("%s", life)
		}
	})
}

func TestLifeOf(t *testing.T) {
	now := time.Now()
	k := keys()[0]
	for name, tc := range map[string]struct {
		claims map[string]any
		want   time.Duration
	}{
		"three hours":                      {map[string]any{"iat": 1_000_000, "exp": 1_010_800}, 3 * time.Hour},
		"no time of issue":                 {map[string]any{"exp": now.Unix() + 600}, 10 * time.Minute},
		"a time of issue and a slow clock": {map[string]any{"iat": now.Unix() + 7200, "exp": now.Unix() + 7800}, 10 * time.Minute},
		"ended":                            {map[string]any{"exp": now.Unix() - 1}, unknownLife},
		"a second":                         {map[string]any{"iat": 1, "exp": 2}, minLife},
		"a year":                           {map[string]any{"iat": 1, "exp": 31_536_001}, maxLife},
		"no end":                           {map[string]any{"iat": 1}, unknownLife},
		"a word":                           {map[string]any{"exp": "soon"}, unknownLife},
	} {
		if got := lifeOf(sign(k, tc.claims), now); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
	if got := lifeOf("opaque", now); got != unknownLife {
		t.Errorf("opaque: %s", got)
	}
}

// FuzzCodesOf: codes are words, and few.
func FuzzCodesOf(f *testing.F) {
	f.Add([]byte(`{"error":"invalid_client","error_codes":[7000215]}`))
	f.Add([]byte(`{"errors":[{"code":"UNAUTHORIZED"},{"code":"what is token=abc?"}]}`))
	f.Add([]byte(`{"error":{"code":"x"},"error_codes":"none","errors":[]}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		codes := codesOf(body)
		if len(codes) > 8 {
			t.Errorf("%d codes", len(codes))
		}
		for _, c := range codes {
			if !code.MatchString(c) && !strings.HasPrefix(c, "AADSTS") {
				t.Errorf("code %q", c)
			}
		}
	})
}
