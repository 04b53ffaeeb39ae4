package acr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// TestIdentities shows that each kind of identity ends in an identity token of
// the registry that was asked for, with its end.
func TestIdentities(t *testing.T) {
	for _, tc := range []struct {
		name, host, kind, authority string
		prepare                     func(*azure, *Options)
	}{
		{"client secret", registry, "Azure client secret", "login.microsoftonline.com:443", func(a *azure, _ *Options) { a.clientSecret() }},
		{"client secret of the caller", registry, "Azure client secret", "login.microsoftonline.com:443", func(a *azure, o *Options) {
			o.TenantID, o.ClientID, o.ClientSecret = tenant, clientID, auth.NewSecret(secret)
		}},
		{"workload identity", registry, "Azure workload identity", "login.microsoftonline.com:443", func(a *azure, _ *Options) { a.federatedToken("1") }},
		{"workload identity in China", "contoso.azurecr.cn", "Azure workload identity", "login.chinacloudapi.cn:443", func(a *azure, _ *Options) { a.federatedToken("1") }},
		{"workload identity of the US government", "contoso.azurecr.us", "Azure workload identity", "login.microsoftonline.us:443", func(a *azure, _ *Options) { a.federatedToken("1") }},
		{"workload identity with an authority", registry, "Azure workload identity", "login.other.example:443", func(a *azure, _ *Options) {
			a.federatedToken("1")
			a.t.Setenv("AZURE_AUTHORITY_HOST", "https://login.other.example/")
		}},
		{"a domain name label", "contoso-abc123.azurecr.io", "Azure client secret", "login.microsoftonline.com:443", func(a *azure, _ *Options) { a.clientSecret() }},
		{"a regional endpoint", "contoso.eastus.geo.azurecr.io", "Azure client secret", "login.microsoftonline.com:443", func(a *azure, _ *Options) { a.clientSecret() }},
		{"port 443", registry + ":443", "Azure client secret", "login.microsoftonline.com:443", func(a *azure, _ *Options) { a.clientSecret() }},
		{"App Service", registry, "Azure App Service identity", "127.0.0.1:41741", func(a *azure, _ *Options) {
			a.t.Setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token")
			a.t.Setenv("IDENTITY_HEADER", idHeader)
		}},
		{"App Service, one of several", registry, "Azure App Service identity", "127.0.0.1:41741", func(a *azure, _ *Options) {
			a.t.Setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token")
			a.t.Setenv("IDENTITY_HEADER", idHeader)
			a.t.Setenv("AZURE_CLIENT_ID", clientID)
			a.several = true
		}},
		{"the machine", registry, "Azure managed identity", "169.254.169.254:80", func(a *azure, _ *Options) {}},
		{"the machine, one of several", registry, "Azure managed identity", "169.254.169.254:80", func(a *azure, o *Options) { o.ClientID, a.several = clientID, true }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAzure(t)
			opts := a.options()
			tc.prepare(a, opts)
			before := time.Now()
			c, err := a.provider(opts).Credential(t.Context(), auth.Resource{Host: tc.host, Path: "team/app"})
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(tc.host, ":443")
			claims := verify(&a.registryKey.PublicKey, c.IdentityToken.Reveal())
			if claims["aud"] != name {
				t.Errorf("an identity token for %v, want one for %s", claims["aud"], name)
			}
			if c.Username != tokenUser || !c.Password.IsZero() || c.Origin.Kind != tc.kind || c.Origin.Key != name {
				t.Errorf("user %q, origin %q", c.Username, c.Origin)
			}
			if left := c.Expires.Sub(before); left < a.life || left > a.life+time.Minute {
				t.Errorf("expires in %s, want %s", left, a.life)
			}
			want := []string{tc.authority, name + ":443"}
			if got := a.hosts; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
				t.Errorf("connections to %q, want %q", got, want)
			}
		})
	}
}

// TestNotMine shows that nothing is asked, nowhere, for a host that only looks
// like a login server.
func TestNotMine(t *testing.T) {
	a := newAzure(t)
	a.clientSecret()
	p := a.provider(a.options())
	for _, host := range []string{
		"", "azurecr.io", ".azurecr.io", "contoso.azurecr.io.evil.example", "contoso.azurecr.io:5000", "contoso.azurecr.io:80", "evilazurecr.io",
		"contoso.azurecr.com", "contoso.azurecr.de", "a.b.azurecr.io", "contoso.eastus.data.azurecr.io", "contoso.geo.azurecr.io",
		"contoso.eastus.evil.azurecr.io", "evil.example/contoso.azurecr.io", "contoso.azurecr.io@evil.example", "user@contoso.azurecr.io",
		"contoso.azurecr.io.", "-contoso.azurecr.io", "contoso-.azurecr.io", "con_toso.azurecr.io", "contoso\n.azurecr.io", "contoso.azurecr.io\n",
		"CONTOSO.AZURECR.IO", strings.Repeat("a", 64) + ".azurecr.io", "mcr.microsoft.com", "xn--contoso-.azurecr.io", "contoso.azurecr.io:443:443",
	} {
		r := auth.Resource{Host: host}
		if c, err := p.Credential(t.Context(), r); !errors.Is(err, auth.ErrNoCredential) || !c.IsZero() {
			t.Errorf("%q: %v", host, err)
		}
		if _, err := p.(auth.Renewer).Renew(t.Context(), r, auth.Credential{}); !errors.Is(err, auth.ErrNoCredential) {
			t.Errorf("renew for %q: %v", host, err)
		}
		if strings.ToLower(host) == registry {
			continue // a caller's own words may be in upper case
		}
		if c, err := Exchange(t.Context(), host, auth.NewSecret("token"), a.options()); err == nil || !c.IsZero() {
			t.Errorf("exchange with %q: no error", host)
		}
		if f, err := auth.Explain(t.Context(), p, r); err != nil || len(f) != 1 || f[0].Outcome != auth.OutcomeNone || f[0].Reason == "" {
			t.Errorf("explain %q: %+v, %v", host, f, err)
		}
	}
	if len(a.hosts) > 0 {
		t.Errorf("connections to %q", a.hosts)
	}
}

// TestKept shows how long a credential is used, that a rotated token file is
// read again, and that many who ask at once cause one exchange.
func TestKept(t *testing.T) {
	a := newAzure(t)
	a.federatedToken("first")
	a.life = 90 * time.Second // renewed 18 s before its end
	p := a.provider(a.options())
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			if _, err := p.Credential(t.Context(), auth.Resource{Host: registry, Path: fmt.Sprintf("team/app%d", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if a.count("entra") != 1 || a.count("exchange") != 1 || a.lastAssertionJTI != "first" {
		t.Errorf("%d sign-ins, %d exchanges with token %q", a.count("entra"), a.count("exchange"), a.lastAssertionJTI)
	}
	c, err := p.Credential(t.Context(), auth.Resource{Host: registry})
	if err != nil {
		t.Fatal(err)
	}
	a.federatedToken("second")
	renewed, err := p.(auth.Renewer).Renew(t.Context(), auth.Resource{Host: registry, Path: "team/app"}, c)
	if err != nil || renewed.IdentityToken.Equal(c.IdentityToken) || a.lastAssertionJTI != "second" {
		t.Errorf("after a rejection: the same token %v, %v, asked with %q", renewed.IdentityToken.Equal(c.IdentityToken), err, a.lastAssertionJTI)
	}
	if other, err := p.Credential(t.Context(), auth.Resource{Host: "fabrikam.azurecr.io"}); err != nil || other.IdentityToken.Equal(renewed.IdentityToken) {
		t.Errorf("another registry: the same token, or %v", err)
	}
	// The registry's tokens now live for less than no time.
	a.life = -time.Minute
	short, err := p.Credential(t.Context(), auth.Resource{Host: "short.azurecr.io"})
	if err != nil || time.Until(short.Expires) > unknownLife || time.Until(short.Expires) < unknownLife-time.Minute {
		t.Errorf("a token with a senseless end expires in %s, %v", time.Until(short.Expires), err)
	}
}

// TestSigner shows the APIs of two registries behind their token services:
// each sees the refresh token that is its own.
func TestSigner(t *testing.T) {
	a := newAzure(t)
	a.federatedToken("1")
	s, err := auth.NewSigner(&auth.SignerOptions{
		Provider: a.provider(a.options()),
		NewTransport: func(func(context.Context, string, string, syscall.RawConn) error) http.RoundTripper {
			return a.transport()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{registry, "fabrikam.azurecr.io"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/v2/team/app/tags/list", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Do(req, auth.Hint{Resource: auth.Resource{Host: host, Path: "team/app"}}, a.transport().RoundTrip)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", host, resp.Status)
		}
	}
}
