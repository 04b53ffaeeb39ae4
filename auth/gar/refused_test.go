package gar

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/auth"
)

// TestRefused shows that what is configured and fails is told, makes no room
// for another identity, and shows nothing of its secrets.
func TestRefused(t *testing.T) {
	key := func(change func(map[string]any)) func(*google) {
		return func(g *google) {
			f := g.keyFile()
			change(f)
			g.file(f)
		}
	}
	config := func(source, over map[string]any) func(*google) {
		return func(g *google) { g.file(federation(source, over)) }
	}
	subject := func(content string) func(*google) {
		return func(g *google) { g.file(federation(map[string]any{"file": g.write("subject", content)}, nil)) }
	}
	aws := map[string]any{"environment_id": "aws1", "url": "http://169.254.169.254/latest"}
	for _, tc := range []struct {
		name    string
		prepare func(*google)
		want    string // part of the error
	}{
		{"a file that is gone", func(g *google) { g.t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json") }, "cannot be read"},
		{"a directory", func(g *google) { g.t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", os.Getenv("HOME")) }, "cannot be read"},
		{"no JSON", func(g *google) {
			g.t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", g.write("key.json", "canary"))
		}, "is not one"},
		{"an endless file", func(g *google) {
			g.t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", g.write("key.json", strings.Repeat(" ", maxFile+1)))
		}, "more than 65536 bytes"},
		{"a key that another has", key(func(f map[string]any) { f["client_email"] = "other@project.iam.gserviceaccount.com" }), "invalid_grant"},
		{"a key that is none", key(func(f map[string]any) {
			f["private_key"] = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n"
		}), "no private RSA key"},
		{"no key", key(func(f map[string]any) { delete(f, "private_key") }), "no private RSA key"},
		{"no address", key(func(f map[string]any) { delete(f, "client_email") }), "no client_email"},
		{"a token endpoint elsewhere", key(func(f map[string]any) { f["token_uri"] = "https://oauth2.googleapis.com.evil.example/token" }), "not one of Google"},
		{"a token endpoint without TLS", key(func(f map[string]any) { f["token_uri"] = "http://oauth2.googleapis.com/token" }), "not one of Google"},
		{"another universe", key(func(f map[string]any) { f["universe_domain"] = "example.cloud" }), "docker-credential-gcr"},
		{"a user who has to log in again", func(g *google) {
			f := userFile()
			f["refresh_token"] = "canary-old"
			g.file(f)
		}, "gcloud auth application-default login"},
		{"a user without a refresh token", func(g *google) {
			f := userFile()
			delete(f, "refresh_token")
			g.file(f)
		}, "no refresh_token"},
		{"another type", func(g *google) { g.file(map[string]any{"type": "gdch_service_account"}) }, "docker-credential-gcr"},
		{"a type that is a sentence", func(g *google) { g.file(map[string]any{"type": "what is canary?"}) }, "unknown type"},
		{"impersonation by a user", func(g *google) { g.file(map[string]any{"type": "impersonated_service_account"}) }, "impersonated_service_account"},
		{"federation with AWS", config(aws, nil), "docker-credential-gcr"},
		{"federation with a program", config(map[string]any{"executable": map[string]any{"command": "/bin/canary"}}, nil), "docker-credential-gcr"},
		{"federation of a workforce", config(map[string]any{"file": "/x"}, map[string]any{"workforce_pool_user_project": "p"}), "docker-credential-gcr"},
		{"federation without a source", config(nil, nil), "docker-credential-gcr"},
		{"federation elsewhere", config(map[string]any{"file": "/x"}, map[string]any{"token_url": "https://sts.example/v1/token"}), "not one of Google"},
		{"impersonation elsewhere", config(map[string]any{"file": "/x"}, map[string]any{"service_account_impersonation_url": "https://evil.example/x"}), "not one of Google"},
		{"a subject token that is gone", config(map[string]any{"file": "/nowhere/subject"}, nil), "subject token that cannot be read"},
		{"a subject token without TLS", config(map[string]any{"url": "http://platform.example/token"}, nil), "neither https"},
		{"a subject token of two words", subject("canary one"), "that is none"},
		{"an empty subject token", subject("\n"), "that is none"},
		{"a subject token of somebody else", subject("canary"), "invalid_grant"},
		{"a subject URL that refuses", config(map[string]any{"url": "https://platform.example/token", "headers": map[string]any{"Authorization": "Bearer canary-other"}}, nil), "401"},
		{"a subject URL that cannot be reached", config(map[string]any{"url": "https://nobody.example/token?key=canary"}, nil), "cannot be reached"},
		{"a metadata host with a path", func(g *google) { g.t.Setenv("GCE_METADATA_HOST", "host/path?x") }, "GCE_METADATA_HOST"},
		{"a metadata host with a user", func(g *google) { g.t.Setenv("GCE_METADATA_HOST", "user@host") }, "GCE_METADATA_HOST"},
		{"a metadata host that is another's", func(g *google) { g.flavor = "x"; g.t.Setenv("GCE_METADATA_HOST", "metadata.test") }, "none of Google"},
		{"a metadata host that is away", func(g *google) { g.noMachine = true; g.t.Setenv("GCE_METADATA_HOST", "metadata.test") }, "cannot be reached"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGoogle(t)
			tc.prepare(g)
			p := g.provider(g.options())
			c, err := p.Credential(t.Context(), auth.Resource{Host: registry})
			e, ok := errors.AsType[*auth.Error](err)
			if !ok || errors.Is(err, auth.ErrNoCredential) || !strings.Contains(err.Error(), tc.want) || !c.IsZero() {
				t.Fatalf("%v, want %q", err, tc.want)
			}
			if e.Resource.Host != registry || e.Origin.Kind == "" {
				t.Errorf("resource %q, origin %q", e.Resource, e.Origin)
			}
			if !strings.Contains(tc.name, "metadata") && (g.count("machine") > 0 || strings.Contains(strings.Join(g.hosts, " "), "evil")) {
				t.Errorf("another identity was used, connections to %q", g.hosts)
			}
			checkSecrets(t, err)
			for _, cause := range e.Causes {
				checkSecrets(t, cause)
			}
			findings, err := auth.Explain(t.Context(), p, auth.Resource{Host: registry})
			if err != nil || !slices.ContainsFunc(findings, func(f auth.Finding) bool { return f.Outcome == auth.OutcomeFailed && f.Err != nil }) {
				t.Errorf("findings %+v, %v", findings, err)
			}
			checkSecrets(t, findings)
		})
	}
}

// TestExplain shows that every place is told of, in order.
func TestExplain(t *testing.T) {
	g := newGoogle(t)
	g.file(g.keyFile())
	findings, err := auth.Explain(t.Context(), g.provider(g.options()), auth.Resource{Host: registry})
	if err != nil || len(findings) != 3 {
		t.Fatalf("%+v, %v", findings, err)
	}
	for i, want := range []auth.Outcome{auth.OutcomeAnswers, auth.OutcomeNone, auth.OutcomeShadowed} {
		f := findings[i]
		if f.Outcome != want || (f.Reason == "") != (want == auth.OutcomeAnswers) || f.Origin.Kind == "" {
			t.Errorf("%+v, want %s", f, want)
		}
	}
	if f := findings[0]; f.Kind != "password" || f.Username != tokenUser || f.Expires.IsZero() || f.Origin.Key != robot {
		t.Errorf("%+v", f)
	}
	checkSecrets(t, findings)
}

// TestPrinted shows that a provider that holds a token can be printed.
func TestPrinted(t *testing.T) {
	g := newGoogle(t)
	g.file(g.keyFile())
	p := g.provider(g.options())
	c, err := p.Credential(t.Context(), auth.Resource{Host: registry})
	if err != nil || !strings.Contains(c.Password.Reveal(), "canary") {
		t.Fatalf("no canary in the token, %v", err)
	}
	checkSecrets(t, c)
	checkSecrets(t, p)
}

func TestNewRefuses(t *testing.T) {
	for _, account := range []string{"default", "a/b@c", "../x@y", "a@b?c", "@x", "x@"} {
		if p, err := New(&Options{ServiceAccount: account}); err == nil || p != nil {
			t.Errorf("account %q: no error", account)
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
	if text += log.String(); strings.Contains(text, "canary") || strings.Contains(text, "eyJ") || strings.Contains(text, "BEGIN") {
		t.Errorf("a secret is shown: %s", text)
	}
}
