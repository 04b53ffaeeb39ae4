package registry_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func TestDownloadGoesOn(t *testing.T) {
	content := filler(2 << 20)
	for _, tc := range []struct {
		name   string
		faults []*registrytest.Faults
		blobs  registrytest.BlobOptions
		once   bool // no byte comes twice
	}{
		{"cut in the middle", []*registrytest.Faults{{Cut: true, At: registrytest.MidBody, Times: 1}}, registrytest.BlobOptions{}, true},
		{"cut three times", []*registrytest.Faults{{Cut: true, At: registrytest.MidBody, Times: 3}}, registrytest.BlobOptions{}, true},
		{"cut before the last byte", []*registrytest.Faults{{Cut: true, At: registrytest.LastByte, Times: 1}}, registrytest.BlobOptions{}, true},
		{"reset in the middle", []*registrytest.Faults{{Reset: true, At: registrytest.MidBody, Times: 1}}, registrytest.BlobOptions{}, true},
		{"short, and formally whole", []*registrytest.Faults{{Truncate: true, NoLength: true, Times: 1}}, registrytest.BlobOptions{}, true},
		{"cut, then failing", []*registrytest.Faults{{Cut: true, At: registrytest.MidBody, Times: 1}, {Status: 503, Times: 4}}, registrytest.BlobOptions{}, true},
		{"ranges ignored", []*registrytest.Faults{{Cut: true, At: registrytest.MidBody, Times: 1}}, registrytest.BlobOptions{Ranges: registrytest.RangesIgnored}, false},
		{"ranges refused", []*registrytest.Faults{{Cut: true, At: registrytest.MidBody, Times: 1}}, registrytest.BlobOptions{Ranges: registrytest.RangesRefused}, false},
		{"other ranges than asked", []*registrytest.Faults{{Cut: true, At: registrytest.MidBody, Times: 1}}, registrytest.BlobOptions{Ranges: registrytest.RangesShifted}, false},
		{"ranges from elsewhere", []*registrytest.Faults{{Cut: true, At: registrytest.MidBody, Times: 1}}, registrytest.BlobOptions{Redirect: true}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := server(t, &registrytest.Options{Blobs: tc.blobs})
			_, layer := artifact(t, repository(t, s, nil), "1", string(content))
			counted := &countingTransport{}
			repo := repository(t, s, &registry.Options{Transport: counted})
			for _, f := range tc.faults {
				f.Match = registrytest.Blobs
			}
			s.SetFaults(tc.faults...)
			got, err := fetchAll(t.Context(), repo, layer)
			if err != nil || !bytes.Equal(got, content) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if n := counted.body.Load(); tc.once && n > layer.Size+2000 {
				t.Errorf("%d bytes came for a blob of %d", n, layer.Size)
			}
		})
	}
}

// countingTransport counts what comes in bodies.
type countingTransport struct{ body atomic.Int64 }

func (c *countingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		resp.Body = &countingBody{resp.Body, &c.body}
	}
	return resp, err
}

type countingBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

func TestDownloadThatCannotGoOn(t *testing.T) {
	content := filler(300 << 10)
	for _, tc := range []struct {
		name   string
		blobs  registrytest.BlobOptions
		faults registrytest.Faults
		want   error
	}{
		{"cut each time", registrytest.BlobOptions{}, registrytest.Faults{Cut: true, At: registrytest.BeforeHeaders}, registry.ErrUnavailable},
		{"corrupt", registrytest.BlobOptions{}, registrytest.Faults{Corrupt: true}, registry.ErrDigestMismatch},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := server(t, &registrytest.Options{Blobs: tc.blobs})
			repo := repository(t, s, nil)
			_, layer := artifact(t, repo, "1", string(content))
			tc.faults.Match = registrytest.Blobs
			s.SetFaults(&tc.faults)
			_, err := fetchAll(t.Context(), repo, layer)
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
		})
	}
	t.Run("a size that is not the blob's", func(t *testing.T) {
		s := server(t, nil)
		repo := repository(t, s, nil)
		_, layer := artifact(t, repo, "1", string(content))
		s.Reset()
		layer.Size++
		if _, err := fetchAll(t.Context(), repo, layer); !errors.Is(err, registry.ErrDigestMismatch) {
			t.Errorf("error = %v", err)
		}
		if n := s.Cost().Requests; n != 1 {
			t.Errorf("%d requests for a blob that ends where its answer says", n)
		}
	})
	t.Run("closed while it waits", func(t *testing.T) {
		s := server(t, nil)
		repo := repository(t, s, &registry.Options{Retry: registry.Retry{Wait: time.Hour}})
		_, layer := artifact(t, repo, "1", string(content))
		rc, err := repo.Fetch(t.Context(), layer)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		done := make(chan error)
		go func() { _, err := io.Copy(io.Discard, rc); done <- err }()
		time.Sleep(20 * time.Millisecond)
		rc.Close()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Error("Read goes on waiting after Close")
		}
	})
}

// What is refused for what it is stays refused: nobody waits for it.
func TestWhatIsNotTriedAgain(t *testing.T) {
	for _, tc := range []struct {
		name   string
		serve  *registrytest.Options
		config registry.HostConfig
		want   error
	}{
		{"an alert of TLS", &registrytest.Options{ClientCAs: x509.NewCertPool()}, registry.HostConfig{TLS: &registry.TLS{InsecureSkipVerify: true}}, registry.ErrUnauthorized},
		{"a token server where none may be", nil, registry.HostConfig{}, auth.ErrRealmRefused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := server(t, tc.serve)
			s.SetFaults(&registrytest.Faults{Status: http.StatusUnauthorized,
				Header: http.Header{"Www-Authenticate": {`Bearer realm="https://169.254.169.254/token",service="x"`}}})
			repo := repository(t, s, &registry.Options{Retry: registry.Retry{Wait: time.Minute},
				Hosts: func(string) (registry.HostConfig, error) { return tc.config, nil }})
			ctx, cancel := context.WithTimeout(registry.WithProgress(t.Context(), noSteps{t}), 20*time.Second)
			defer cancel()
			if _, err := repo.Resolve(ctx, "1"); !errors.Is(err, tc.want) {
				t.Errorf("error = %v", err)
			}
		})
	}
}

// noSteps fails where something is waited for.
type noSteps struct{ t *testing.T }

func (noSteps) Moved(registry.Transfer)      {}
func (n noSteps) Stepped(step registry.Step) { n.t.Error(step) }

func TestRateLimit(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		header http.Header
		want   registry.RateLimit
		kind   error
	}{
		{"seconds", 429, http.Header{"Retry-After": {"3600"}}, registry.RateLimit{Wait: time.Hour, Limit: -1, Remaining: -1}, registry.ErrRateLimited},
		{"Docker Hub", 429, http.Header{"Retry-After": {"3600"}, "Ratelimit-Limit": {"100;w=21600"}, "Ratelimit-Remaining": {"0;w=21600"}},
			registry.RateLimit{Wait: time.Hour, Limit: 100, Remaining: 0}, registry.ErrRateLimited},
		{"GitHub", 429, http.Header{"Retry-After": {"600"}, "X-Ratelimit-Limit": {"60"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"30"}},
			registry.RateLimit{Wait: 10 * time.Minute, Limit: 60, Remaining: 0, Reset: 30 * time.Second}, registry.ErrRateLimited},
		{"draft", 429, http.Header{"Retry-After": {"600"}, "Ratelimit": {`"default";r=5;t=30`}, "Ratelimit-Policy": {`"default";q=100;w=60`}},
			registry.RateLimit{Wait: 10 * time.Minute, Limit: 100, Remaining: 5, Reset: 30 * time.Second}, registry.ErrRateLimited},
		{"unavailable", 503, http.Header{"Retry-After": {"1200"}}, registry.RateLimit{Wait: 20 * time.Minute, Limit: -1, Remaining: -1}, registry.ErrUnavailable},
		{"endless", 429, http.Header{"Retry-After": {"1e300"}}, registry.RateLimit{Wait: 1 << 62, Limit: -1, Remaining: -1}, registry.ErrRateLimited},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := server(t, nil)
			repo := repository(t, s, nil)
			s.SetFaults(&registrytest.Faults{Status: tc.status, Header: tc.header})
			start := time.Now()
			_, err := repo.Resolve(t.Context(), "1")
			var e *registry.Error
			if !errors.Is(err, tc.kind) || !errors.As(err, &e) || e.RateLimit == nil {
				t.Fatalf("error = %#v", err)
			}
			if tc.name == "endless" {
				tc.want.Wait = e.RateLimit.Wait
			}
			if *e.RateLimit != tc.want || e.RateLimit.Wait < 10*time.Minute {
				t.Errorf("rate limit %+v, want %+v", *e.RateLimit, tc.want)
			}
			if took := time.Since(start); took > 5*time.Second || s.Cost().Requests != 1 {
				t.Errorf("took %s and %s", took, s.Cost())
			}
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for name, header := range map[string]func() http.Header{
		"seconds": func() http.Header { return registrytest.RetryAfter(time.Second) },
		"date":    func() http.Header { return registrytest.RetryAt(time.Now().Add(2 * time.Second)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t, nil)
			repo := repository(t, s, nil)
			artifact(t, repo, "1", "content")
			s.SetFaults(&registrytest.Faults{Status: 429, Header: header(), Times: 1})
			s.Reset()
			start := time.Now()
			var all sync.WaitGroup
			for range 8 { // nobody asks meanwhile
				all.Go(func() {
					if _, err := repo.Resolve(t.Context(), "1"); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if took := time.Since(start); took < 900*time.Millisecond || took > 10*time.Second {
				t.Errorf("took %s", took)
			}
			if n := s.Cost().Requests; n > 16 {
				t.Errorf("%d requests", n)
			}
		})
	}
	t.Run("not beyond the deadline", func(t *testing.T) {
		s := server(t, nil)
		repo := repository(t, s, nil)
		s.SetFaults(&registrytest.Faults{Status: 429, Header: registrytest.RetryAfter(30 * time.Second)})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		start := time.Now()
		_, err := repo.Resolve(ctx, "1")
		if _, again := repo.Resolve(ctx, "2"); !errors.Is(again, registry.ErrRateLimited) {
			t.Errorf("another operation: %v", again)
		}
		if took := time.Since(start); !errors.Is(err, registry.ErrRateLimited) || took > 5*time.Second || s.Cost().Requests != 1 {
			t.Errorf("%v after %s and %s", err, took, s.Cost())
		}
	})
}

// No server that asks for a year keeps a host from being asked for longer than
// anyone would have waited.
func TestPauseIsBounded(t *testing.T) {
	s := server(t, nil)
	repo := repository(t, s, &registry.Options{Retry: registry.Retry{MaxWait: 200 * time.Millisecond}})
	artifact(t, repo, "1", "content")
	s.SetFaults(&registrytest.Faults{Status: 429, Header: registrytest.RetryAfter(365 * 24 * time.Hour), Times: 1})
	if _, err := repo.Resolve(t.Context(), "1"); !errors.Is(err, registry.ErrRateLimited) {
		t.Errorf("error = %v", err)
	}
	if _, err := repo.Resolve(t.Context(), "1"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestFailuresThatPass(t *testing.T) {
	for _, tc := range []registrytest.Faults{
		{Status: 408}, {Status: 425}, {Status: 429}, {Status: 500}, {Status: 502}, {Status: 503}, {Status: 504}, {Status: 521},
		{Cut: true}, {Reset: true}, {Truncate: true}, {Cut: true, At: registrytest.LastByte}, {Corrupt: true},
	} {
		s := server(t, nil)
		repo := repository(t, s, nil)
		manifest, _ := artifact(t, repo, "1", "content")
		tc.Times, tc.Match = 1, registrytest.Manifests
		s.SetFaults(&tc)
		desc, rc, err := repo.FetchReference(t.Context(), "1")
		if err != nil || desc.Digest != manifest.Digest {
			t.Errorf("%+v: %v", tc, err)
			continue
		}
		rc.Close()
	}
}

func TestFailuresThatLast(t *testing.T) {
	for name, tc := range map[string]struct {
		faults   registrytest.Faults
		requests int
		want     error
	}{
		"500":     {registrytest.Faults{Status: 500}, 10, registry.ErrUnavailable},
		"501":     {registrytest.Faults{Status: 501}, 1, registry.ErrUnsupported},
		"407":     {registrytest.Faults{Status: 407}, 1, registry.ErrUnavailable}, // a proxy's, in plain HTTP
		"404":     {registrytest.Faults{Status: 404}, 1, registry.ErrNotFound},
		"403":     {registrytest.Faults{Status: 403}, 1, registry.ErrDenied},
		"HTML":    {registrytest.Faults{HTML: true}, 1, registry.ErrUnavailable},
		"corrupt": {registrytest.Faults{Corrupt: true}, 4, registry.ErrDigestMismatch}, // twice, and each time by its own digest
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t, nil)
			repo := repository(t, s, nil)
			artifact(t, repo, "1", "content")
			s.SetFaults(&tc.faults)
			s.Reset()
			_, _, err := repo.FetchReference(t.Context(), "1")
			if !errors.Is(err, tc.want) || s.Cost().Requests != tc.requests {
				t.Errorf("%v after %s, want %v after %d", err, s.Cost(), tc.want, tc.requests)
			}
		})
	}
}

func TestWrongDigestHeader(t *testing.T) {
	s := server(t, &registrytest.Options{Manifests: registrytest.ManifestOptions{WrongDigest: true}})
	repo := repository(t, s, nil)
	manifest, _ := artifact(t, repo, "1", "content")
	for range 2 {
		desc, rc, err := repo.FetchReference(t.Context(), "1")
		if err != nil || desc.Digest != manifest.Digest {
			t.Fatalf("%v, %v", desc, err)
		}
		rc.Close()
	}
	if desc, err := repo.Resolve(t.Context(), "1"); err != nil || desc.Digest != manifest.Digest {
		t.Errorf("Resolve, of a registry that is known to: %v, %v", desc, err)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	for _, limit := range []int{2, 5} {
		var now, most atomic.Int64
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			n := now.Add(1)
			defer now.Add(-1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			time.Sleep(5 * time.Millisecond)
			http.NotFound(w, req)
		}))
		defer s.Close()
		client, err := registry.NewClient(&registry.Options{Hosts: func(string) (registry.HostConfig, error) {
			return registry.HostConfig{MaxConcurrent: limit}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		repo, err := client.Repository(registry.Reference{Host: strings.TrimPrefix(s.URL, "http://"), Repository: "a"})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() { repo.Resolve(t.Context(), "1") })
		}
		all.Wait()
		if n := most.Load(); n > int64(limit) || n < int64(limit)-1 {
			t.Errorf("limit %d: %d at once", limit, n)
		}
	}
}

func TestRateIsBounded(t *testing.T) {
	s := server(t, nil)
	repo := repository(t, s, &registry.Options{Hosts: func(string) (registry.HostConfig, error) {
		return registry.HostConfig{RequestsPerSecond: 50}, nil
	}})
	start := time.Now()
	for range 60 { // 50 at once, the others at 20 ms each
		repo.Resolve(t.Context(), "1")
	}
	if took := time.Since(start); took < 180*time.Millisecond {
		t.Errorf("60 requests at 50 a second in bursts of 50 took %s", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	var err error
	for err == nil || errors.Is(err, registry.ErrNotFound) {
		_, err = repo.Resolve(ctx, "1")
	}
	if !errors.Is(err, registry.ErrRateLimited) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v", err)
	}
}

func TestHeadersAndUserAgentAreTheHosts(t *testing.T) {
	s := server(t, &registrytest.Options{Blobs: registrytest.BlobOptions{Redirect: true}, Auth: registrytest.Bearer, AnonymousPull: true, SplitRealm: true, Users: map[string]string{"a": "b"}})
	repo := repository(t, s, &registry.Options{Hosts: func(host string) (registry.HostConfig, error) {
		if host != s.Host {
			return registry.HostConfig{}, nil
		}
		return registry.HostConfig{Header: http.Header{"x-tenant": {"canary"}}, UserAgent: "special/1"}, nil
	}})
	_, err := repo.Resolve(t.Context(), "1")
	if !errors.Is(err, registry.ErrNotFound) {
		t.Fatal(err)
	}
	for _, r := range s.Requests() {
		own := r.Host == s.Host
		if got := r.Header("X-Tenant"); (got == "canary") != own {
			t.Errorf("%s %s: X-Tenant %q", r.Host, r, got)
		}
		if got := r.Header("User-Agent"); (got == "special/1") != own {
			t.Errorf("%s %s: User-Agent %q", r.Host, r, got)
		}
	}
}
