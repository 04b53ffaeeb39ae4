package device_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/auth/device"
)

// Test65Device shows how often a provider is asked and how a wait ends,
// whatever it says of its intervals and its patience.
func Test65Device(t *testing.T) {
	minute := func(n int) time.Duration { return time.Duration(n) * time.Minute }
	for _, tc := range []struct {
		name    string
		codes   map[string]any
		polls   []string
		maxWait time.Duration
		gaps    []int // seconds between requests; nil: not looked at
		took    time.Duration
		want    error // nil: a token
	}{
		{name: "at once", polls: []string{deviceToken}, gaps: []int{5}},
		{name: "pending", polls: []string{"authorization_pending", "authorization_pending", deviceToken}, gaps: []int{5, 5, 5}},
		{name: "slow_down", polls: []string{"slow_down", "authorization_pending", "slow_down", deviceToken}, gaps: []int{5, 10, 10, 15}},
		{name: "denied", polls: []string{"authorization_pending", "access_denied"}, gaps: []int{5, 5}, want: auth.ErrDenied},
		{name: "expired there", polls: []string{"authorization_pending", "expired_token"}, gaps: []int{5, 5}, want: device.ErrExpired},
		{name: "expired here", polls: []string{"authorization_pending"}, took: minute(10), want: device.ErrExpired},
		{name: "without an expiry", codes: map[string]any{"expires_in": nil}, polls: []string{"authorization_pending"}, took: minute(15), want: device.ErrExpired},
		{name: "negative expiry", codes: map[string]any{"expires_in": -1}, polls: []string{deviceToken}, gaps: []int{5}},
		{name: "huge expiry", codes: map[string]any{"expires_in": 1e300}, polls: []string{"authorization_pending"}, took: minute(15), want: device.ErrExpired},
		{name: "expiry as text", codes: map[string]any{"expires_in": "60"}, polls: []string{"authorization_pending"}, took: minute(1), want: device.ErrExpired},
		{name: "caller's patience", polls: []string{"authorization_pending"}, maxWait: minute(2), took: minute(2), want: device.ErrExpired},
		{name: "negative interval", codes: map[string]any{"interval": -5}, polls: []string{"authorization_pending", deviceToken}, gaps: []int{1, 1}},
		{name: "negative interval in other letters", codes: map[string]any{"Interval": -5}, polls: []string{deviceToken}},
		{name: "zero interval", codes: map[string]any{"interval": 0}, polls: []string{"authorization_pending", deviceToken}, gaps: []int{1, 1}},
		{name: "huge interval", codes: map[string]any{"interval": 1e300}, polls: []string{"authorization_pending", deviceToken}, gaps: []int{60, 60}},
		{name: "interval beyond int64", codes: map[string]any{"interval": 1 << 62}, polls: []string{deviceToken}, gaps: []int{60}},
		{name: "no interval", codes: map[string]any{"interval": nil}, polls: []string{deviceToken}, gaps: []int{5}},
		{name: "interval of another kind", codes: map[string]any{"interval": []int{1}}, polls: []string{deviceToken}, gaps: []int{5}},
		{name: "a while without a provider", polls: []string{deviceBroken, deviceFails, "authorization_pending", deviceToken}, gaps: []int{5, 10, 15, 15}},
		{name: "a request that hangs", polls: []string{deviceStuck, deviceToken}, gaps: []int{5, 40}},
		{name: "client unknown", polls: []string{"invalid_client"}, want: auth.ErrUnauthorized},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &deviceProvider{codes: tc.codes, polls: tc.polls}
				f := p.flow()
				f.MaxWait = tc.maxWait
				begin := time.Now()
				got, err := f.Token(t.Context(), &deviceUser{})
				if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
					t.Fatalf("got %v, want %v", err, tc.want)
				}
				deviceNoCanary(t, tc.name, err)
				if err == nil && (secret(got.AccessToken) != deviceCanary || secret(got.RefreshToken) != "refresh" || secret(got.IDToken) != "id" || got.Type != "Bearer" || got.Expires.IsZero()) {
					t.Errorf("another token came: %+v", got)
				}
				if tc.gaps != nil && !slices.Equal(p.gaps(), tc.gaps) {
					t.Errorf("asked after %v seconds, want %v", p.gaps(), tc.gaps)
				}
				if took := time.Since(begin).Round(time.Second); tc.took != 0 && took != tc.took {
					t.Errorf("took %s, want %s", took, tc.took)
				}
			})
		})
	}
}

// Test65DeviceAnswers shows what of a provider's first answer is not shown to
// anybody.
func Test65DeviceAnswers(t *testing.T) {
	for name, codes := range map[string]map[string]any{
		"script":                {"verification_uri": "javascript:alert(1)"},
		"plain http":            {"verification_uri": "http://idp.example.com/activate"},
		"plain http, loopback":  {"verification_uri": "http://127.0.0.1/activate"},
		"file":                  {"verification_uri": "file:///etc/passwd"},
		"relative":              {"verification_uri": "/activate"},
		"no host":               {"verification_uri": "https:///activate"},
		"opaque":                {"verification_uri": "https:idp.example.com"},
		"user information":      {"verification_uri": "https://idp.example.com@evil.example/"},
		"escape sequence":       {"verification_uri": "https://idp.example.com/\x1b[2J"},
		"letters that look so":  {"verification_uri": "https://іdp.example.com/"},
		"long":                  {"verification_uri": "https://idp.example.com/" + strings.Repeat("a", 3000)},
		"none":                  {"verification_uri": nil},
		"complete, script":      {"verification_uri_complete": "javascript:alert(1)"},
		"complete, plain http":  {"verification_uri_complete": "http://idp.example.com/activate?code=1"},
		"old name, script":      {"verification_uri": nil, "verification_url": "javascript:alert(1)"},
		"no user code":          {"user_code": nil},
		"no device code":        {"device_code": ""},
		"user code, escape":     {"user_code": "\x1b[31mWDJB"},
		"user code, line break": {"user_code": "A\nB"},
		"user code, long":       {"user_code": strings.Repeat("A", 65)},
		"user code, other":      {"user_code": "ＷＤＪＢ"},
		"device code, long":     {"device_code": strings.Repeat("A", 9<<10)},
		"device code, control":  {"device_code": "a\x00b"},
	} {
		t.Run(name, func(t *testing.T) {
			p, u := &deviceProvider{codes: codes, polls: []string{deviceToken}}, &deviceUser{}
			_, err := p.flow().Token(t.Context(), u)
			if _, ok := errors.AsType[*device.Error](err); !ok || u.seen != (device.Prompt{}) || len(p.asked) != 1 {
				t.Errorf("got %v after showing %+v", err, u.seen)
			}
			deviceNoCanary(t, name, err)
		})
	}
	for name, raw := range map[string]string{
		"null": "null", "nothing": " ", "list": "[]", "page": "<html>" + deviceCanary, "numbers": `{"device_code":1e999}`,
		"too long": `{"device_code":"` + strings.Repeat(deviceCanary, 16<<10) + `"}`,
	} {
		p := &deviceProvider{raw: raw}
		_, err := p.flow().Token(t.Context(), &deviceUser{})
		if _, ok := errors.AsType[*device.Error](err); !ok {
			t.Errorf("%s: got %v", name, err)
		}
		deviceNoCanary(t, name, err)
	}
}

// Test65DeviceBodies shows that nothing which a provider writes into a refusal
// is repeated, at either endpoint and in whatever form, and that its answers
// have a limit.
func Test65DeviceBodies(t *testing.T) {
	refuse := func(contentType, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", contentType)
			rw.WriteHeader(http.StatusForbidden)
			rw.Write([]byte(body))
		}
	}
	answer := func(body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte(body)) }
	}
	for name, serve := range map[string]http.HandlerFunc{
		"page":            refuse("text/html", "<html>"+deviceCanary),
		"JSON":            refuse("application/json", `{"error":"`+deviceCanary+`","error_description":"`+deviceCanary+`","error_uri":"`+deviceCanary+`"}`),
		"words":           refuse("application/json", `{"error":"`+strings.Repeat("secret", 3)+deviceCanary+`"}`),
		"form":            refuse("application/x-www-form-urlencoded", "error="+deviceCanary+"&error_description="+deviceCanary),
		"error with 200":  answer(`{"error":"invalid_request","error_description":"` + deviceCanary + `"}`),
		"no token":        answer(`{"token":"` + deviceCanary + `"}`),
		"nothing":         answer(""),
		"null":            answer("null"),
		"broken":          answer(`{"access_token":"` + deviceCanary),
		"no token's kind": answer(`{"access_token":"` + deviceCanary + `\r\nX-Evil: 1"}`),
		"too long":        answer(`{"access_token":"` + strings.Repeat(deviceCanary, 16<<10) + `"}`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &deviceProvider{}
				for _, at := range []string{"/device", "/token"} {
					p.serve = func(rw http.ResponseWriter, req *http.Request) {
						if req.URL.Path == at {
							serve(rw, req)
							return
						}
						fmt.Fprint(rw, `{"device_code":"d","user_code":"u","verification_uri":"https://idp.example.com"}`)
					}
					_, err := p.flow().Token(t.Context(), &deviceUser{})
					if _, ok := errors.AsType[*device.Error](err); !ok {
						t.Errorf("%s: got %v", at, err)
					}
					deviceNoCanary(t, at, err)
				}
			})
		})
	}
}

// Test65DeviceRedirect shows, over a network, that no request is taken
// elsewhere by a redirect: each holds the code in its body.
func Test65DeviceRedirect(t *testing.T) {
	var arrived int
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived++ }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, at := range []string{"/device", "/token"} {
			if at == "/token" && status != 302 && status != 307 {
				continue // each waits for a second
			}
			srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
				if req.URL.Path == at {
					http.Redirect(rw, req, elsewhere.URL, status)
					return
				}
				fmt.Fprintf(rw, `{"device_code":"d","user_code":"u","verification_uri":"http://%s/activate","interval":1}`, req.Host)
			}))
			f := &device.Flow{Endpoint: device.Endpoint{DeviceURL: srv.URL + "/device", TokenURL: srv.URL + "/token"}, ClientID: "c"}
			_, err := f.Token(t.Context(), &deviceUser{})
			if e, ok := errors.AsType[*device.Error](err); !ok || e.StatusCode != status {
				t.Errorf("%d at %s: %v", status, at, err)
			}
			srv.Close()
		}
	}
	if arrived > 0 {
		t.Errorf("%d requests arrived elsewhere", arrived)
	}
}

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
