package device_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/auth/device"
)

// TestProviderDown: a wait ends when a provider fails again and again.
func TestProviderDown(t *testing.T) {
	for _, how := range []string{deviceBroken, deviceFails} {
		synctest.Test(t, func(t *testing.T) {
			p := &deviceProvider{polls: []string{how}}
			_, err := p.flow().Token(t.Context(), &deviceUser{})
			if e, ok := errors.AsType[*device.Error](err); !ok || len(p.asked) != 6 || errors.Is(err, device.ErrExpired) {
				t.Errorf("%s: %v after %d requests", how, e, len(p.asked))
			}
		})
	}
}

// TestCancel: the caller's context ends the first request as well as the wait.
func TestCancel(t *testing.T) {
	why := errors.New("enough")
	for name, p := range map[string]*deviceProvider{
		"waiting":       {polls: []string{"authorization_pending"}},
		"first request": {serve: func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }},
		"polling":       {polls: []string{deviceStuck}},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(7*time.Second, func() { cancel(why) })
			begin := time.Now()
			_, err := p.flow().Token(ctx, &deviceUser{})
			if !errors.Is(err, why) || time.Since(begin) > 8*time.Second {
				t.Errorf("%s: %v after %s", name, err, time.Since(begin))
			}
		})
	}
}

func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, u := &deviceProvider{codes: map[string]any{"verification_uri_complete": "https://idp.example.com/activate?c=WDJB-MJHT"}, polls: []string{deviceToken}}, &deviceUser{}
		f := p.flow()
		f.Scopes, f.Audience, f.Parameters, f.ClientSecret = []string{"openid", "offline_access"}, "registry", map[string]string{"resource": "r"}, auth.NewSecret("s")
		if _, err := f.Token(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		common := map[string][]string{"client_id": {"portolan"}, "scope": {"openid offline_access"}, "audience": {"registry"}, "resource": {"r"}}
		if diff := cmp.Diff(common, map[string][]string(p.asked[0])); diff != "" {
			t.Error(diff)
		}
		common["grant_type"], common["device_code"], common["client_secret"] = []string{"urn:ietf:params:oauth:grant-type:device_code"}, []string{"device-" + deviceCanary}, []string{"s"}
		if diff := cmp.Diff(common, map[string][]string(p.asked[1])); diff != "" {
			t.Error(diff)
		}
		if u.seen.URI != "https://idp.example.com/activate" || u.seen.CompleteURI == "" || u.seen.UserCode != "WDJB-MJHT" || time.Until(u.seen.Expires) > 10*time.Minute {
			t.Errorf("shown: %+v", u.seen)
		}
	})
}

func TestFlowRefused(t *testing.T) {
	for name, change := range map[string]func(*device.Flow){
		"no endpoints":       func(f *device.Flow) { f.Endpoint = device.Endpoint{} },
		"plain http":         func(f *device.Flow) { f.Endpoint.TokenURL = "http://idp.example.com/token" },
		"user information":   func(f *device.Flow) { f.Endpoint.DeviceURL = "https://u:" + deviceCanary + "@idp.example.com/" },
		"fragment":           func(f *device.Flow) { f.Endpoint.TokenURL += "#" },
		"other scheme":       func(f *device.Flow) { f.Endpoint.TokenURL = "ftp://idp.example.com/" },
		"no client":          func(f *device.Flow) { f.ClientID = "" },
		"negative wait":      func(f *device.Flow) { f.MaxWait = -1 },
		"a day":              func(f *device.Flow) { f.MaxWait = 24 * time.Hour },
		"protocol parameter": func(f *device.Flow) { f.Parameters = map[string]string{"grant_type": "password"} },
		"audience twice":     func(f *device.Flow) { f.Audience, f.Parameters = "a", map[string]string{"audience": "b"} },
	} {
		p := &deviceProvider{}
		f := p.flow()
		change(f)
		if _, err := f.Token(t.Context(), &deviceUser{}); err == nil || len(p.asked) > 0 {
			t.Errorf("%s: %v after %d requests", name, err, len(p.asked))
		} else {
			deviceNoCanary(t, name, err)
		}
	}
	p := &deviceProvider{}
	if _, err := p.flow().Token(t.Context(), nil); err == nil {
		t.Error("no prompter was accepted")
	}
	if _, err := p.flow().Credential(t.Context(), &deviceUser{}, nil); err == nil {
		t.Error("no exchanger was accepted")
	}
	refused := errors.New("no terminal")
	if _, err := p.flow().Token(t.Context(), device.PrompterFunc(func(context.Context, device.Prompt) error { return refused })); !errors.Is(err, refused) {
		t.Errorf("prompter: %v", err)
	}
	if got := len(p.asked); got != 1 {
		t.Errorf("%d requests, want the one before the prompt", got)
	}
}

func TestExchangers(t *testing.T) {
	access, refresh, ends := auth.NewSecret("a"), auth.NewSecret("r"), time.Unix(1, 0)
	for _, tc := range []struct {
		name  string
		x     device.Exchanger
		token device.Token
		want  auth.Credential
		fails bool
	}{
		{name: "password", x: device.AsPassword("bob"), token: device.Token{AccessToken: access, RefreshToken: refresh, Expires: ends}, want: auth.Credential{Username: "bob", Password: access, Expires: ends}},
		{name: "password of nobody", x: device.AsPassword(""), token: device.Token{AccessToken: access}, fails: true},
		{name: "refresh token", x: device.AsIdentityToken, token: device.Token{AccessToken: access, RefreshToken: refresh, Expires: ends}, want: auth.Credential{IdentityToken: refresh}},
		{name: "access token", x: device.AsIdentityToken, token: device.Token{AccessToken: access, Expires: ends}, want: auth.Credential{IdentityToken: access, Expires: ends}},
	} {
		got, err := tc.x(t.Context(), &tc.token)
		if got != tc.want || (err != nil) != tc.fails {
			t.Errorf("%s: got %+v, %v", tc.name, got, err)
		}
	}
}
