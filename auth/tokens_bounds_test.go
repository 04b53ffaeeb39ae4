package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// tokensFlood is a body without an end that counts what is read of it.
type tokensFlood struct {
	prefix string
	read   int
}

func (f *tokensFlood) Read(p []byte) (int, error) {
	n := copy(p, f.prefix)
	f.prefix = f.prefix[n:]
	for i := n; i < len(p); i++ {
		p[i] = 'x'
	}
	f.read += len(p)
	return len(p), nil
}

func (f *tokensFlood) Close() error { return nil }

// A token's answer is read up to 128 KiB and an error up to 8 KiB, whatever
// follows, and neither is logged.
func TestTokenAnswersAreBounded(t *testing.T) {
	if maxTokenAnswer != 128<<10 || maxErrorBody != 8<<10 {
		t.Errorf("the limits are %d and %d bytes", maxTokenAnswer, maxErrorBody)
	}
	long := `{"token":"` + canary + strings.Repeat("a", maxTokenAnswer-len(canary)-12) + `"}`
	if len(long) != maxTokenAnswer {
		t.Fatalf("the longest answer has %d bytes", len(long))
	}
	for _, tc := range []struct {
		name   string
		status int
		body   io.ReadCloser
		works  bool
		most   int // bytes read
	}{
		{"as long as allowed", 200, io.NopCloser(strings.NewReader(long)), true, 0},
		{"one byte more", 200, io.NopCloser(strings.NewReader(long + " ")), false, 0},
		{"a token without an end", 200, &tokensFlood{prefix: `{"token":"` + canary}, false, maxTokenAnswer + 4<<10},
		{"an error without an end", 401, &tokensFlood{prefix: `{"error":"` + canary}, false, maxErrorBody + 4<<10},
		{"an error of another kind", 500, &tokensFlood{prefix: canary}, false, maxErrorBody + 4<<10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var log strings.Builder
			s := newSigner(t, &SignerOptions{
				Provider: Static(Resource{Host: "r.example"}, password("bob", canary)),
				Logger:   tokensLogger(&log),
				NewTransport: func(dialControl) http.RoundTripper {
					return tokensRoundTrip(func(req *http.Request) (*http.Response, error) {
						return &http.Response{StatusCode: tc.status, Header: http.Header{}, Body: tc.body, Request: req}, nil
					})
				},
			})
			err := tokensAsk(t.Context(), s)
			var e *Error
			if (err == nil) != tc.works || err != nil && (!errors.As(err, &e) || e.Stage != StageToken) {
				t.Errorf("got %v", err)
			}
			if f, ok := tc.body.(*tokensFlood); ok && f.read > tc.most {
				t.Errorf("%d bytes were read, want at most %d", f.read, tc.most)
			}
			if tc.works && log.Len() == 0 {
				t.Error("nothing was logged at all")
			}
			noCanary(t, "log", log.String())
			noCanary(t, "error", fmt.Sprintf("%v %+v %#v", err, err, err))
		})
	}
	// The registry's errors are read no further either, and not logged.
	flood := &tokensFlood{prefix: `{"errors":"` + canary}
	req, _ := http.NewRequestWithContext(t.Context(), "GET", tokensRegistry, nil)
	var log strings.Builder
	_, err := newSigner(t, &SignerOptions{Logger: tokensLogger(&log)}).Do(req, Hint{}, func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 403, Header: http.Header{}, Body: flood, Request: r}, nil
	})
	if !errors.Is(err, ErrDenied) || flood.read > maxErrorBody+4<<10 {
		t.Errorf("%v after %d bytes", err, flood.read)
	}
	noCanary(t, "log", log.String())
}

type tokensRoundTrip func(*http.Request) (*http.Response, error)

func (f tokensRoundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// tokensHang is a body that gives nothing until it is closed.
type tokensHang struct{ closed chan struct{} }

func (h tokensHang) Read([]byte) (int, error) { <-h.closed; return 0, errors.New("closed") }
func (h tokensHang) Close() error {
	select {
	case <-h.closed:
	default:
		close(h.closed)
	}
	return nil
}

// A token call ends after 15 s, whatever the server does, or when its context
// does; both grants of one credential are one call.
func TestTokenCallsEnd(t *testing.T) {
	if tokenTimeout != 15*time.Second {
		t.Errorf("the deadline is %s", tokenTimeout)
	}
	hang := func(req *http.Request) io.ReadCloser {
		h := tokensHang{make(chan struct{})}
		context.AfterFunc(req.Context(), func() { h.Close() }) // as net/http does
		return h
	}
	for _, tc := range []struct {
		name   string
		server func(*http.Request) (*http.Response, error)
		leave  time.Duration // 0: the caller stays
		want   time.Duration
		cause  error
	}{
		{"no answer", (&tokensFake{delay: time.Hour}).RoundTrip, 0, tokenTimeout, context.DeadlineExceeded},
		{"no answer, and the caller leaves", (&tokensFake{delay: time.Hour}).RoundTrip, 3 * time.Second, 3 * time.Second, context.Canceled},
		{"half an answer", (&tokensFake{body: hang}).RoundTrip, 0, tokenTimeout, nil},
		{"half an error", func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 401, Header: http.Header{}, Body: hang(req), Request: req}, nil
		}, 0, tokenTimeout, ErrUnauthorized},
		{"a slow refusal of the POST, and no answer to the GET", func(req *http.Request) (*http.Response, error) {
			if req.Method == "GET" {
				return (&tokensFake{delay: time.Hour}).RoundTrip(req)
			}
			time.Sleep(10 * time.Second)
			return &http.Response{StatusCode: 404, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
		}, 0, tokenTimeout, context.DeadlineExceeded},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSigner(t, &SignerOptions{
					Provider:      Static(Resource{Host: "r.example"}, password("bob", canary)),
					NewTransport:  func(dialControl) http.RoundTripper { return tokensRoundTrip(tc.server) },
					PasswordGrant: strings.Contains(tc.name, "POST"),
				})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tc.leave != 0 {
					time.AfterFunc(tc.leave, cancel)
				}
				began := time.Now()
				err := tokensAsk(ctx, s)
				if err == nil || tc.cause != nil && !errors.Is(err, tc.cause) || time.Since(began) != tc.want {
					t.Errorf("%v after %s, want %s", err, time.Since(began), tc.want)
				}
			})
		})
	}
}

// A registry that hangs in the middle of its refusal holds nobody up for long.
func TestRefusalsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", tokensRegistry, nil)
		began := time.Now()
		_, err := newSigner(t, nil).Do(req, Hint{}, func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 403, Header: http.Header{}, Body: tokensHang{make(chan struct{})}, Request: r}, nil
		})
		if !errors.Is(err, ErrDenied) || time.Since(began) != tokenTimeout {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// A credential goes to its own host: a mirror, a proxy registry, another port
// and another scheme of the same name get their own, whatever the hint says.
func TestCredentialsAreOneHosts(t *testing.T) {
	own := Resource{"r.example", "a"}
	for _, tc := range []struct {
		url  string
		asks Resource // the provider is asked for
	}{
		{"https://r.example/v2/a", own},
		{"https://r.example:443/v2/a", own},
		{"https://R.EXAMPLE/v2/a", own},
		{"https://mirror.example/v2/r.example/a", Resource{Host: "mirror.example"}},
		{"https://r.example:8443/v2/a", Resource{Host: "r.example:8443"}},
		{"https://a.r.example/v2/a", Resource{Host: "a.r.example"}},
		{"https://r.example.evil.example/v2/a", Resource{Host: "r.example.evil.example"}},
	} {
		t.Run(tc.url, func(t *testing.T) {
			var asked []Resource
			s := newSigner(t, &SignerOptions{Provider: ProviderFunc(func(_ context.Context, r Resource) (Credential, error) {
				asked = append(asked, r)
				return Static(Resource{Host: "r.example"}, password("bob", canary)).Credential(t.Context(), r)
			})})
			req, _ := http.NewRequestWithContext(t.Context(), "GET", tc.url, nil)
			var sent []string
			resp, err := s.Do(req, Hint{Resource: own, Preemptive: true}, func(r *http.Request) (*http.Response, error) {
				sent = append(sent, r.Header.Get("Authorization"))
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if len(asked) != 1 || asked[0] != tc.asks || len(sent) != 1 || (sent[0] != "") != (tc.asks == own) {
				t.Errorf("asked for %v, sent %q", asked, sent)
			}
		})
	}
}
