package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A hundred at once make one token call and one look-up.
func Test42OneCallForMany(t *testing.T) {
	w := newWorld(t)
	w.user, w.password = "bob", canary
	release := make(chan struct{})
	serve := w.tokens.Config.Handler
	w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		<-release
		serve.ServeHTTP(rw, r)
	})
	var lookups atomic.Int32
	s := newSigner(t, &SignerOptions{Provider: ProviderFunc(func(context.Context, Resource) (Credential, error) {
		lookups.Add(1)
		return password("bob", canary), nil
	})})
	var wg sync.WaitGroup
	for range 100 {
		req := w.request(t, "GET", "a", "")
		wg.Go(func() {
			resp, err := s.Do(req, w.hint("a", "pull"), send)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
	time.Sleep(20 * time.Millisecond) // most of them wait by now; the count is the same for those who come later
	close(release)
	wg.Wait()
	if _, k := w.counts(); k != 1 || lookups.Load() != 1 {
		t.Errorf("%d token requests and %d look-ups, want 1 and 1", k, lookups.Load())
	}
}

// tokensFake is a registry with a token server in memory, for the fake clock
// of synctest: it takes time to answer, and asks how it is asked.
type tokensFake struct {
	delay time.Duration                     // of each token
	body  func(*http.Request) io.ReadCloser // nil: a token
	calls atomic.Int32
}

const tokensRegistry = "https://r.example/v2/a"

func (f *tokensFake) RoundTrip(req *http.Request) (*http.Response, error) {
	n := f.calls.Add(1)
	select {
	case <-time.After(f.delay):
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	var body io.ReadCloser = io.NopCloser(strings.NewReader(fmt.Sprintf(`{"token":"t%d","expires_in":300}`, n)))
	if f.body != nil {
		body = f.body(req)
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: body, Request: req}, nil
}

func (f *tokensFake) signer(t *testing.T, c Credential) *Signer {
	return newSigner(t, &SignerOptions{
		Provider:     Static(Resource{Host: "r.example"}, c),
		NewTransport: func(dialControl) http.RoundTripper { return f },
	})
}

// tokensAsk sends one request to the registry in memory, which asks for a token.
func tokensAsk(ctx context.Context, s *Signer) error {
	req, err := http.NewRequestWithContext(ctx, "GET", tokensRegistry, nil)
	if err != nil {
		return err
	}
	resp, err := s.Do(req, Hint{Resource: Resource{"r.example", "a"}, Scopes: []Scope{RepositoryScope("a", "pull")}}, func(r *http.Request) (*http.Response, error) {
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}
		if r.Header.Get("Authorization") == "" {
			resp.StatusCode = 401
			resp.Header.Set("WWW-Authenticate", `Bearer realm="https://t.example/token",service="r"`)
		}
		return resp, nil
	})
	if err == nil {
		resp.Body.Close()
	}
	return err
}

// The one who asks leaves; those who wait get their token all the same, of
// which one more is asked for. A waiter who leaves does so at once, and the
// others go on.
func Test42CallersLeave(t *testing.T) {
	for _, tc := range []struct {
		name  string
		leave map[int]time.Duration // who leaves, and when; 0 asks for the token
		calls int32
		more  int32 // that there may be, where somebody goes on who leaves as well
	}{
		{"nobody", nil, 1, 0},
		{"the leader", map[int]time.Duration{0: time.Second}, 2, 0},
		{"the leader and the one after it", map[int]time.Duration{0: time.Second, 1: 2 * time.Second, 2: 2 * time.Second, 3: 2 * time.Second}, 2, 1},
		{"waiters", map[int]time.Duration{1: time.Second, 7: 2 * time.Second}, 1, 0},
		{"all but the last", func() map[int]time.Duration {
			m := map[int]time.Duration{}
			for i := range 99 {
				m[i] = time.Second
			}
			return m
		}(), 2, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &tokensFake{delay: 5 * time.Second}
				s := f.signer(t, password("bob", canary))
				var wg sync.WaitGroup
				// One context for all who leave at the same time: of several, some
				// end before the others, whose callers then go on for a moment.
				until := map[time.Duration]context.Context{0: t.Context()}
				for i := range 100 {
					when, leaves := tc.leave[i]
					ctx, made := until[when]
					if !made {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(t.Context(), when)
						defer cancel()
						until[when] = ctx
					}
					wg.Go(func() {
						began := time.Now()
						err := tokensAsk(ctx, s)
						switch {
						case leaves && (!errors.Is(err, context.DeadlineExceeded) || time.Since(began) != when):
							t.Errorf("%d left after %s with %v, want %s", i, time.Since(began), err, when)
						case !leaves && err != nil:
							t.Errorf("%d: %v", i, err)
						}
					})
					synctest.Wait() // so that the first is the one who asks
				}
				wg.Wait()
				if n := f.calls.Load(); n < tc.calls || n > tc.calls+tc.more {
					t.Errorf("%d token calls, want %d", n, tc.calls)
				}
			})
		})
	}
}

// A failure is told to all who waited for it, each with an error of its own.
func Test42FailuresAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &tokensFake{delay: time.Second, body: func(*http.Request) io.ReadCloser {
			return io.NopCloser(strings.NewReader(`{"error":"server_error"}`))
		}}
		s := f.signer(t, password("bob", canary))
		errs := make([]*Error, 20)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				err := tokensAsk(t.Context(), s)
				if !errors.As(err, &errs[i]) {
					t.Errorf("got %v", err)
					return
				}
				errs[i].Hint += "!" // would be a race if it were another's
				errs[i].Causes = append(errs[i].Causes, context.Canceled)
			})
		}
		wg.Wait()
		if n := f.calls.Load(); n != 1 {
			t.Errorf("%d token calls", n)
		}
		for i, e := range errs {
			if e != nil && (strings.Count(e.Hint, "!") != 1 || len(e.Causes) != 1) {
				t.Errorf("the error of %d has what others added to theirs: %q, %v", i, e.Hint, e.Causes)
			}
		}
		if tokensAsk(t.Context(), s); f.calls.Load() != 2 {
			t.Error("the failure was remembered")
		}
	})
}

// Who comes with a context that has ended does nothing, and waits for nobody.
func TestFlightsOfTheLate(t *testing.T) {
	var f flights[string, int]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.do(ctx, "key", func(context.Context) (int, error) {
		t.Error("the work was done")
		return 0, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
