package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// drip gives one byte each interval.
type drip struct {
	interval time.Duration
	closed   chan struct{}
}

func (d *drip) Read(p []byte) (int, error) {
	select {
	case <-time.After(d.interval):
		p[0] = 'x'
		return 1, nil
	case <-d.closed:
		return 0, errors.New("closed")
	}
}

func (d *drip) Close() error { close(d.closed); return nil }

func TestStallGuard(t *testing.T) {
	for name, tc := range map[string]struct {
		interval time.Duration
		stalls   bool
	}{
		"nothing comes":         {time.Hour, true},
		"next to nothing comes": {20 * time.Second, true},
		"enough comes":          {time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				body := stallGuard(&drip{tc.interval, make(chan struct{})})
				start := time.Now()
				n, err := io.Copy(io.Discard, io.LimitReader(body, 100<<10))
				if (err == errStalled) != tc.stalls {
					t.Errorf("%d bytes, %v", n, err)
				}
				if took := time.Since(start); tc.stalls && took > stallTimeout+time.Second {
					t.Errorf("took %s", took)
				}
			})
		})
	}
	t.Run("nobody waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			body := stallGuard(&drip{time.Second, make(chan struct{})})
			for range 10 {
				if _, err := body.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour) // the reader's own business
			}
		})
	})
}

func TestSendGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, guard := guardSend(t.Context())
		body := guard.body(&drip{10 * time.Minute, make(chan struct{})}) // a slow source is not the registry's fault
		for range 3 {
			body.Read(make([]byte, 10))
		}
		if ctx.Err() != nil {
			t.Fatal("ended while the source was waited for")
		}
		start := time.Now()
		<-ctx.Done()
		if took := time.Since(start); took != stallTimeout || !guard.end() {
			t.Errorf("ended after %s", took)
		}
	})
}

// A deadline that is not the caller's does not look like one.
func TestOthersDeadlines(t *testing.T) {
	c, err := NewClient(&Options{Retry: Retry{Attempts: 1}, Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, context.DeadlineExceeded
	})})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := c.Repository(Reference{Host: "r.example", Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Resolve(t.Context(), "1"); !errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A registry must not lead reads to the machine's own network services.
func TestReadsAreNotRedirectedToTheMachine(t *testing.T) {
	asked := false
	inner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked = true }))
	defer inner.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(inner.URL, "http://"), ":")
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, "http://0.0.0.0:"+port+"/", http.StatusTemporaryRedirect)
	}))
	defer outer.Close()
	c, err := NewClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	repo, err := c.Repository(Reference{Host: strings.TrimPrefix(outer.URL, "http://"), Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := repo.FetchReference(t.Context(), "1"); !errors.Is(err, ErrUnavailable) || asked {
		t.Errorf("error = %v, asked %t", err, asked)
	}
}
