package device_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
