package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestExecPluginRefuses(t *testing.T) {
	images := []string{"r.io"}
	token := func(context.Context) (Secret, error) { return NewSecret("t"), nil }
	for _, tc := range []struct {
		name, program string
		opts          *PluginOptions
	}{
		{"no options", "p", nil},
		{"no patterns", "p", &PluginOptions{}},
		{"a malformed pattern", "p", &PluginOptions{MatchImages: []string{"r.io", "u:p@r.io"}}},
		{"no program", "", &PluginOptions{MatchImages: images}},
		{"a relative path", "./p", &PluginOptions{MatchImages: images}},
		{"a relative path of Windows", `bin\p`, &PluginOptions{MatchImages: images}},
		{"two tokens", "p", &PluginOptions{MatchImages: images, ServiceAccountToken: token, ServiceAccountTokenFile: "/t"}},
		{"annotations of nobody", "p", &PluginOptions{MatchImages: images, ServiceAccountAnnotations: map[string]string{"a": "b"}}},
		{"a negative timeout", "p", &PluginOptions{MatchImages: images, Timeout: -1}},
		{"a negative duration", "p", &PluginOptions{MatchImages: images, DefaultCacheDuration: -1}},
	} {
		if _, err := NewPlugin(tc.program, tc.opts); err == nil {
			t.Errorf("%s is accepted", tc.name)
		}
	}
	failing := errors.New("no token today")
	p, err := NewPlugin("p", &PluginOptions{MatchImages: images, ServiceAccountToken: func(context.Context) (Secret, error) { return Secret{}, failing }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Credential(t.Context(), Resource{Host: "r.io"}); !errors.Is(err, failing) {
		t.Errorf("a token that fails: %v", err)
	}
}

// TestExecPluginMissing: the program is looked for when it is run, and never in
// the current directory.
func TestExecPluginMissing(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "exec-plugin")
	p, err := NewPlugin("exec-plugin", &PluginOptions{MatchImages: []string{"r.io"}})
	if err != nil {
		t.Fatal(err)
	}
	script := []byte("#!/bin/sh\necho '{\"apiVersion\":\"" + pluginAPI + "\",\"kind\":\"CredentialProviderResponse\",\"cacheKeyType\":\"Image\",\"auth\":{\"r.io\":{\"username\":\"u\",\"password\":\"1\"}}}'\n")
	if err := os.WriteFile(program, script, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	path := os.Getenv("PATH")
	for _, here := range []string{"", ".", path} {
		t.Setenv("PATH", here)
		if _, err := p.Credential(t.Context(), Resource{Host: "r.io"}); !errors.Is(err, ErrHelper) || !strings.Contains(err.Error(), "not installed") {
			t.Errorf("PATH=%s: %v", here, err)
		}
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+path)
	if c, err := p.Credential(t.Context(), Resource{Host: "r.io"}); err != nil || c.Username != "u" {
		t.Errorf("installed by now: %v", err)
	}
}

func TestExecPluginExplains(t *testing.T) {
	var log bytes.Buffer
	x := newExecPlugin(t, PluginOptions{
		Env:    Environ{"EXEC_SECRET=" + canary},
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}).answers(`"cacheDuration":"1h","cacheKeyType":"Global",`, execAnyone)
	findings, err := Explain(t.Context(), Chain(x, x), Resource{Host: "r.example.com"})
	if err != nil || len(findings) != 2 || findings[0].Outcome != OutcomeAnswers || findings[0].Origin.Key != "*.example.com" ||
		findings[0].Kind != "password" || findings[0].Username != "u1" || findings[0].Expires.IsZero() || findings[1].Outcome != OutcomeShadowed {
		t.Errorf("%+v, %v", findings, err)
	}
	findings, err = Explain(t.Context(), x, Resource{Host: "other.io"})
	if err != nil || len(findings) != 1 || findings[0].Outcome != OutcomeNone || !strings.Contains(findings[0].Reason, "none of its patterns") {
		t.Errorf("%+v, %v", findings, err)
	}
	x.opts.Env = append(x.opts.Env, "EXEC_FAIL=1")
	x.pass(time.Hour)
	findings, err = Explain(t.Context(), x, Resource{Host: "r.example.com"})
	if err != nil || len(findings) != 1 || findings[0].Outcome != OutcomeFailed || !strings.Contains(findings[0].Reason, "exit status 1") {
		t.Errorf("%+v, %v", findings, err)
	}
	if !strings.Contains(log.String(), canary) {
		t.Error("the log at debug level does not have what the plugin said on standard error")
	}
	for _, v := range []any{x.Plugin, findings, x.opts.Env, PluginOptions{Env: x.opts.Env}, &FileOptions{HelperEnv: x.opts.Env}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			noCanary(t, verb, fmt.Sprintf(verb, v))
		}
	}
}

// TestExecPluginIsBounded: answers for ever new images do not pile up.
func TestExecPluginIsBounded(t *testing.T) {
	x := newExecPlugin(t, PluginOptions{DefaultCacheDuration: time.Hour})
	for i := range 3 * maxPluginAnswers {
		x.keep(newPluginQuestion(Resource{"r.example.com", fmt.Sprint(i)}, Secret{}), &pluginAnswer{of: cacheByImage}, x.now())
	}
	if n := len(x.kept); n > maxPluginAnswers {
		t.Errorf("%d answers are kept", n)
	}
}

// FuzzPluginAnswer: what an answer gives for a registry can be sent, is under a
// key that covers the registry, and no error repeats what the plugin said.
func FuzzPluginAnswer(f *testing.F) {
	const head = `{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderResponse",`
	for _, s := range []string{
		head + `"cacheKeyType":"Image","cacheDuration":"1h","auth":{"*.io":{"username":"u","password":"` + canary + `"}}}`,
		head + `"cacheKeyType":"Global","auth":null}`, head + `"cacheKeyType":"` + canary + `"}`, `{}`, `null`, `[]`, canary,
		head + `"cacheKeyType":"Registry","cacheDuration":"9999999h","auth":{"r.io/a":{"username":"a:b","password":"` + canary + `"}}}`,
	} {
		f.Add([]byte(s))
	}
	r := Resource{"r.io", "a/b"}
	p := &Plugin{program: "p"}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := parsePluginAnswer(data)
		if err != nil {
			noCanary(t, "error", err.Error())
			return
		}
		c, err := p.choose(a, r)
		if err != nil {
			if !errors.Is(err, ErrNoCredential) {
				t.Errorf("%v", err)
			}
			return
		}
		pattern, err := parseImagePattern(c.Origin.Key)
		if err != nil || !pattern.matches(r) || c.check() != nil || a.duration != nil && *a.duration < 0 {
			t.Errorf("%q from %q: %v", c.Username, c.Origin.Key, err)
		}
	})
}
