package gar

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// TestIdentities shows that each kind of identity ends in an access token of
// its own, with its end, and whom it asks on the way.
func TestIdentities(t *testing.T) {
	const machine, oauth, sts, iam = "169.254.169.254:80", "oauth2.googleapis.com:443", "sts.googleapis.com:443", "iamcredentials.googleapis.com:443"
	for _, tc := range []struct {
		name, host, origin, owner string
		life                      time.Duration
		asked                     []string
		prepare                   func(*google, *Options)
	}{
		{"a key", registry, "Google service account", robot, 3599 * time.Second, []string{oauth}, func(g *google, _ *Options) { g.file(g.keyFile()) }},
		{"a key that the caller names", registry, "Google service account", robot, 3599 * time.Second, []string{oauth}, func(g *google, o *Options) {
			o.CredentialsFile = g.file(g.keyFile())
			g.t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere")
		}},
		{"a key in the older form", "gcr.io", "Google service account", robot, 3599 * time.Second, []string{oauth}, func(g *google, _ *Options) {
			f := g.keyFile()
			f["private_key"] = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(g.key)}))
			delete(f, "token_uri")
			g.file(f)
		}},
		{"a user", "eu.gcr.io", "Google authorized user", "ann", 3599 * time.Second, []string{oauth}, func(g *google, _ *Options) { g.file(userFile()) }},
		{"a user of gcloud", registry + ":443", "Google authorized user", "ann", 3599 * time.Second, []string{oauth}, func(g *google, _ *Options) {
			text, _ := json.Marshal(userFile())
			g.write(".config/gcloud/application_default_credentials.json", string(text))
		}},
		{"a user of gcloud in another directory", registry, "Google authorized user", "ann", 3599 * time.Second, []string{oauth}, func(g *google, _ *Options) {
			text, _ := json.Marshal(userFile())
			g.write("elsewhere/application_default_credentials.json", string(text))
			g.t.Setenv("CLOUDSDK_CONFIG", os.Getenv("HOME")+"/elsewhere")
		}},
		{"federation with a file", registry, "Google external account", "principal", 3599 * time.Second, []string{sts}, func(g *google, _ *Options) {
			g.file(federation(map[string]any{"file": g.write("subject", g.subjectToken("1")+"\n")}, nil))
		}},
		{"federation with a file of JSON, and a service account", registry, "Google external account", robot, time.Hour, []string{sts, iam}, func(g *google, _ *Options) {
			path := g.write("subject", `{"id_token":"`+g.subjectToken("1")+`"}`)
			g.file(federation(map[string]any{"file": path, "format": map[string]any{"type": "json", "subject_token_field_name": "id_token"}},
				map[string]any{"service_account_impersonation_url": iamURL}))
		}},
		{"federation with a URL, and a service account for a while", registry, "Google external account", robot, 10 * time.Minute, []string{"platform.example:443", sts, iam}, func(g *google, _ *Options) {
			g.file(federation(map[string]any{
				"url": "https://platform.example/token?audience=x", "headers": map[string]any{"Authorization": "Bearer " + platformKey},
				"format": map[string]any{"type": "json", "subject_token_field_name": "value"},
			}, map[string]any{"service_account_impersonation_url": iamURL, "service_account_impersonation": map[string]any{"token_lifetime_seconds": 600}}))
		}},
		{"the machine", registry, "Google metadata server", machineRobot, 3599 * time.Second, []string{machine}, func(*google, *Options) {}},
		{"the machine at another address", registry, "Google metadata server", machineRobot, 3599 * time.Second, []string{"metadata.test:8080"}, func(g *google, _ *Options) {
			g.t.Setenv("GCE_METADATA_HOST", "metadata.test:8080")
		}},
		{"one account of the machine", registry, "Google metadata server", machineRobot, 3599 * time.Second, []string{machine}, func(_ *google, o *Options) { o.ServiceAccount = machineRobot }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGoogle(t)
			opts := g.options()
			tc.prepare(g, opts)
			before := time.Now()
			c, err := g.provider(opts).Credential(t.Context(), auth.Resource{Host: tc.host, Path: "project/team/app"})
			if err != nil {
				t.Fatal(err)
			}
			if c.Username != "oauth2accesstoken" || g.owner(c.Password.Reveal()) != tc.owner || !c.IdentityToken.IsZero() || c.Origin.Kind != tc.origin {
				t.Errorf("user %q with the token of %q from %q", c.Username, g.owner(c.Password.Reveal()), c.Origin)
			}
			if strings.Contains(tc.owner, "@") && c.Origin.Kind != "Google external account" && c.Origin.Key != tc.owner {
				t.Errorf("origin %q does not say %s", c.Origin, tc.owner)
			}
			if left := c.Expires.Sub(before); left < tc.life-time.Second || left > tc.life+time.Minute {
				t.Errorf("expires in %s, want %s", left, tc.life)
			}
			if got := slices.Compact(g.hosts); !slices.Equal(got, tc.asked) {
				t.Errorf("connections to %q, want %q", got, tc.asked)
			}
		})
	}
}

// TestKeyAsPassword shows the one credential that is not asked for anywhere.
func TestKeyAsPassword(t *testing.T) {
	g := newGoogle(t)
	opts := g.options()
	opts.KeyAsPassword = true
	r := auth.Resource{Host: registry}
	if _, err := g.provider(opts).Credential(t.Context(), r); !errors.Is(err, auth.ErrNoCredential) {
		t.Errorf("without a file: %v", err)
	}
	path := g.file(g.keyFile())
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := g.provider(opts).Credential(t.Context(), r)
	if err != nil || c.Username != "_json_key" || c.Password.Reveal() != string(content) || c.Origin.Key != robot || len(g.hosts) > 0 {
		t.Errorf("%q, %v, connections to %q", c.Username, err, g.hosts)
	}
	g.file(userFile())
	if _, err := g.provider(opts).Credential(t.Context(), r); err == nil || errors.Is(err, auth.ErrNoCredential) {
		t.Errorf("a user's file as a password: %v", err)
	}
}

// TestKept shows how long a token is used, that a rotated subject token is
// read again, and that many who ask at once cause one question.
func TestKept(t *testing.T) {
	g := newGoogle(t)
	path := g.write("subject", g.subjectToken("first"))
	g.file(federation(map[string]any{"file": path}, nil))
	p := g.provider(g.options())
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			if _, err := p.Credential(t.Context(), auth.Resource{Host: registry, Path: fmt.Sprintf("p/r/app%d", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if g.count("sts") != 1 || g.subject != "first" {
		t.Errorf("%d exchanges, the last with %q", g.count("sts"), g.subject)
	}
	c, err := p.Credential(t.Context(), auth.Resource{Host: registry})
	if err != nil {
		t.Fatal(err)
	}
	g.write("subject", g.subjectToken("second"))
	renewed, err := p.(auth.Renewer).Renew(t.Context(), auth.Resource{Host: registry, Path: "p/r"}, c)
	if err != nil || renewed.Password.Equal(c.Password) || g.subject != "second" {
		t.Errorf("after a rejection: the same token %v, %v, asked with %q", renewed.Password.Equal(c.Password), err, g.subject)
	}
	g.life = 1 // renewed 0.2 s before its end
	first, err := p.Credential(t.Context(), auth.Resource{Host: "gcr.io"})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(first.Expires))
	if second, err := p.Credential(t.Context(), auth.Resource{Host: "gcr.io"}); err != nil || second.Password.Equal(first.Password) || !second.Expires.After(first.Expires) {
		t.Errorf("after its end: %v", err)
	}
}

// TestSigner shows a registry's API behind its token service, with a token of
// Google that goes to that service alone.
func TestSigner(t *testing.T) {
	g := newGoogle(t)
	g.file(g.keyFile())
	s, err := auth.NewSigner(&auth.SignerOptions{
		Provider: g.provider(g.options()),
		NewTransport: func(func(context.Context, string, string, syscall.RawConn) error) http.RoundTripper {
			return g.transport()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+registry+"/v2/project/app/tags/list", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Do(req, auth.Hint{Resource: auth.Resource{Host: registry, Path: "project/app"}}, g.transport().RoundTrip)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
}
