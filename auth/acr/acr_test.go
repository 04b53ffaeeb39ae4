package acr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
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
		}},
		{"the machine", registry, "Azure managed identity", "169.254.169.254:80", func(a *azure, _ *Options) {}},
		{"the machine, one of several", registry, "Azure managed identity", "169.254.169.254:80", func(a *azure, o *Options) { o.ClientID = clientID }},
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

// TestNoIdentity shows that a machine without an identity has no credential,
// and that it is not looked for again and again.
func TestNoIdentity(t *testing.T) {
	r := auth.Resource{Host: registry}
	t.Run("no identity is assigned", func(t *testing.T) {
		a := newAzure(t)
		a.noIdentity = true
		if _, err := a.provider(a.options()).Credential(t.Context(), r); !errors.Is(err, auth.ErrNoCredential) {
			t.Error(err)
		}
	})
	t.Run("another identity is assigned", func(t *testing.T) {
		a := newAzure(t)
		a.noIdentity = true
		t.Setenv("AZURE_CLIENT_ID", clientID)
		if _, err := a.provider(a.options()).Credential(t.Context(), r); err == nil || errors.Is(err, auth.ErrNoCredential) || !strings.Contains(err.Error(), "assign the identity") {
			t.Error(err)
		}
	})
	t.Run("left out", func(t *testing.T) {
		a := newAzure(t)
		opts := a.options()
		opts.NoManagedIdentity = true
		t.Setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token")
		if _, err := a.provider(opts).Credential(t.Context(), r); !errors.Is(err, auth.ErrNoCredential) || len(a.hosts) > 0 {
			t.Errorf("%v, connections to %q", err, a.hosts)
		}
	})
	t.Run("nobody at the metadata address", func(t *testing.T) {
		a := newAzure(t)
		a.noMachine = true
		p, err := newProvider(a.options())
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		p.sources[3].(*machineSource).now = func() time.Time { return now }
		for _, step := range []struct {
			after time.Duration
			dials int
		}{{0, 1}, {absenceTTL - 1, 1}, {1, 2}} {
			now = now.Add(step.after)
			if _, err := p.Credential(t.Context(), r); !errors.Is(err, auth.ErrNoCredential) || len(a.hosts) != step.dials {
				t.Errorf("%v after %d dials, want %d", err, len(a.hosts), step.dials)
			}
		}
	})
	t.Run("a metadata address that does not answer", func(t *testing.T) {
		a := newAzure(t)
		opts := a.options()
		opts.MetadataTransport = silent{}
		before := time.Now()
		if _, err := a.provider(opts).Credential(t.Context(), r); !errors.Is(err, auth.ErrNoCredential) || time.Since(before) > 2*probeTimeout {
			t.Errorf("%v after %s", err, time.Since(before))
		}
	})
}

// silent is a network that swallows what is sent.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestOrder shows that a configured identity that fails does not make room
// for another, and that all of them are explained.
func TestOrder(t *testing.T) {
	r := auth.Resource{Host: registry}
	for _, tc := range []struct {
		name    string
		prepare func(*azure)
		want    string // part of the error; "" for none
		found   []auth.Outcome
	}{
		{"secret before workload identity before the machine", func(a *azure) { a.federatedToken("1"); a.clientSecret() }, "",
			[]auth.Outcome{auth.OutcomeAnswers, auth.OutcomeShadowed, auth.OutcomeNone, auth.OutcomeShadowed}},
		{"a wrong secret", func(a *azure) { a.clientSecret(); a.t.Setenv("AZURE_CLIENT_SECRET", "canary-wrong") }, "AADSTS7000215",
			[]auth.Outcome{auth.OutcomeFailed, auth.OutcomeShadowed, auth.OutcomeShadowed, auth.OutcomeShadowed}},
		{"a secret without a tenant", func(a *azure) { a.clientSecret(); a.t.Setenv("AZURE_TENANT_ID", "") }, "AZURE_CLIENT_SECRET is given",
			[]auth.Outcome{auth.OutcomeFailed, auth.OutcomeShadowed, auth.OutcomeShadowed, auth.OutcomeShadowed}},
		{"a tenant that is a path", func(a *azure) { a.clientSecret(); a.t.Setenv("AZURE_TENANT_ID", "../x") }, "AZURE_TENANT_ID",
			[]auth.Outcome{auth.OutcomeFailed, auth.OutcomeShadowed, auth.OutcomeShadowed, auth.OutcomeShadowed}},
		{"an authority without TLS", func(a *azure) {
			a.clientSecret()
			a.t.Setenv("AZURE_AUTHORITY_HOST", "http://login.microsoftonline.com")
		}, "AZURE_AUTHORITY_HOST", []auth.Outcome{auth.OutcomeFailed, auth.OutcomeShadowed, auth.OutcomeShadowed, auth.OutcomeShadowed}},
		{"a token file that is gone", func(a *azure) {
			a.federatedToken("1")
			os.Remove(os.Getenv("AZURE_FEDERATED_TOKEN_FILE"))
		}, "federated token cannot be read", []auth.Outcome{auth.OutcomeNone, auth.OutcomeFailed, auth.OutcomeShadowed, auth.OutcomeShadowed}},
		{"an identity endpoint elsewhere", func(a *azure) {
			a.t.Setenv("IDENTITY_ENDPOINT", "http://evil.example/msi/token")
			a.t.Setenv("IDENTITY_HEADER", idHeader)
		}, "IDENTITY_ENDPOINT", []auth.Outcome{auth.OutcomeNone, auth.OutcomeNone, auth.OutcomeFailed, auth.OutcomeShadowed}},
		{"Azure Arc", func(a *azure) { a.t.Setenv("IDENTITY_ENDPOINT", "http://localhost:40342/metadata") }, "Azure Arc",
			[]auth.Outcome{auth.OutcomeNone, auth.OutcomeNone, auth.OutcomeFailed, auth.OutcomeShadowed}},
		{"the machine alone", func(*azure) {}, "", []auth.Outcome{auth.OutcomeNone, auth.OutcomeNone, auth.OutcomeNone, auth.OutcomeAnswers}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAzure(t)
			tc.prepare(a)
			p := a.provider(a.options())
			_, err := p.Credential(t.Context(), r)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || errors.Is(err, auth.ErrNoCredential)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if tc.want != "" && a.count("machine")+a.count("exchange") > 0 {
				t.Error("another identity was used")
			}
			findings, err := auth.Explain(t.Context(), p, r)
			if err != nil || len(findings) != len(tc.found) {
				t.Fatalf("%d findings, %v", len(findings), err)
			}
			for i, f := range findings {
				if f.Outcome != tc.found[i] || (f.Reason == "") != (f.Outcome == auth.OutcomeAnswers) {
					t.Errorf("%s: %s (%s), want %s", f.Origin, f.Outcome, f.Reason, tc.found[i])
				}
				checkSecrets(t, f)
			}
		})
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

// TestThrottled shows that a throttled endpoint is asked again soon, or that
// the caller is told how long to wait.
func TestThrottled(t *testing.T) {
	for _, tc := range []struct {
		name, what, after string
		status, times     int
		calls             int
		wait              time.Duration // of the error; -1: no error
	}{
		{"Entra ID once", "entra", "0", 429, 1, 2, -1},
		{"Entra ID for long", "entra", "60", 429, 9, 1, time.Minute},
		{"the registry", "exchange", "", 503, 1, 2, -1},
		{"the registry for ever", "exchange", "0", 503, 9, 3, 0},
		{"a metadata service that is updated", "machine", "", 410, 2, 3, -1},
		{"a metadata service that starts", "machine", "", 404, 1, 2, -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAzure(t)
			if tc.what != "machine" {
				a.clientSecret()
			}
			left := tc.times
			a.answers[tc.what] = func(w http.ResponseWriter, r *http.Request) bool {
				if left--; left < 0 {
					return false
				}
				if tc.after != "" {
					w.Header().Set("Retry-After", tc.after)
				}
				w.WriteHeader(tc.status)
				return true
			}
			_, err := a.provider(a.options()).Credential(t.Context(), auth.Resource{Host: registry})
			e, _ := errors.AsType[*auth.Error](err)
			if (err == nil) != (tc.wait < 0) || a.count(tc.what) != tc.calls {
				t.Errorf("%v after %d calls, want %d", err, a.count(tc.what), tc.calls)
			}
			if err != nil && (e == nil || e.RetryAfter != tc.wait || e.StatusCode != tc.status || errors.Is(err, auth.ErrNoCredential)) {
				t.Errorf("error %#v, want a wait of %s", err, tc.wait)
			}
		})
	}
}

// TestMalformed shows that an answer of another shape is an error that shows
// nothing of it.
func TestMalformed(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing": "", "HTML": "<html>canary", "null": "null", "a list": "[]", "no token": `{"error":"canary"}`, "a number": `{"access_token":7,"refresh_token":7}`,
		"a line break": `{"access_token":"canary\r\nX: y","refresh_token":"canary\r\nX: y"}`, "empty": `{"access_token":"","refresh_token":""}`,
		"endless": `{"access_token":"` + strings.Repeat("canary", maxAnswer/6+1) + `"}`,
	} {
		for _, what := range []string{"entra", "exchange", "machine"} {
			t.Run(what+" "+name, func(t *testing.T) {
				a := newAzure(t)
				if what != "machine" {
					a.clientSecret()
				}
				a.answers[what] = func(w http.ResponseWriter, r *http.Request) bool {
					fmt.Fprint(w, answer)
					return true
				}
				c, err := a.provider(a.options()).Credential(t.Context(), auth.Resource{Host: registry})
				if err == nil || errors.Is(err, auth.ErrNoCredential) || !c.IsZero() {
					t.Errorf("%v", err)
				}
				checkSecrets(t, err)
			})
		}
	}
}

// TestRedirect shows that no token follows a redirect.
func TestRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, what := range []string{"entra", "exchange", "machine", "app"} {
			t.Run(fmt.Sprint(what, status), func(t *testing.T) {
				a := newAzure(t)
				switch what {
				case "app":
					t.Setenv("IDENTITY_ENDPOINT", "http://localhost:41741/msi/token")
					t.Setenv("IDENTITY_HEADER", idHeader)
				case "entra", "exchange":
					a.clientSecret()
				}
				a.answers[what] = func(w http.ResponseWriter, r *http.Request) bool {
					http.Redirect(w, r, "https://evil.example/?canary="+secret, status)
					return true
				}
				_, err := a.provider(a.options()).Credential(t.Context(), auth.Resource{Host: registry})
				if err == nil || !strings.Contains(err.Error(), "redirect") || strings.Contains(strings.Join(a.hosts, " "), "evil") {
					t.Errorf("%v, connections to %q", err, a.hosts)
				}
				checkSecrets(t, err)
			})
		}
	}
}

// TestRefused shows what is told when the registry does not let the identity
// in.
func TestRefused(t *testing.T) {
	a := newAzure(t)
	a.clientSecret()
	_, err := Exchange(t.Context(), registry, auth.NewSecret(sign(a.platform, map[string]any{"exp": 1e12})), a.options())
	e, ok := errors.AsType[*auth.Error](err)
	if !ok || !errors.Is(err, auth.ErrUnauthorized) || e.StatusCode != 401 || e.Resource.Host != registry || !strings.Contains(err.Error(), "UNAUTHORIZED") || !strings.Contains(err.Error(), "AcrPull") {
		t.Errorf("%v", err)
	}
	checkSecrets(t, err)
	c, err := Exchange(t.Context(), registry, auth.NewSecret(a.accessToken()), a.options())
	if err != nil || verify(&a.registryKey.PublicKey, c.IdentityToken.Reveal())["aud"] != registry || c.Expires.IsZero() {
		t.Errorf("%v, %v", c, err)
	}
	for _, token := range []string{"", "two words", "line\nbreak"} {
		if _, err := Exchange(t.Context(), registry, auth.NewSecret(token), a.options()); err == nil {
			t.Errorf("%q is taken for a token", token)
		}
	}
}

func TestContext(t *testing.T) {
	a := newAzure(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	a.answers["machine"] = func(http.ResponseWriter, *http.Request) bool { cancel(cause); return false }
	if _, err := a.provider(a.options()).Credential(ctx, auth.Resource{Host: registry}); !errors.Is(err, cause) {
		t.Errorf("%v, want %v", err, cause)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, host := range []string{"http://login.example", "login.example", "https://", "https://u:p@login.example", "https://login.example/x", "https://login.example?x", "https://[::1", "https://login.example/%"} {
		if p, err := New(&Options{AuthorityHost: host}); err == nil || p != nil {
			t.Errorf("authority %q: no error", host)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Error(err)
		}
	}
}

// checkSecrets looks for what must not be shown in every way of printing v.
func checkSecrets(t *testing.T, v any) {
	t.Helper()
	text := fmt.Sprintf("%v %+v %#v %s", v, v, v, v)
	if b, err := json.Marshal(v); err == nil {
		text += string(b)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Error("x", "v", v)
	if text += log.String(); strings.Contains(text, "canary") || strings.Contains(text, "eyJ") {
		t.Errorf("a secret is shown: %s", text)
	}
}
