package chart_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// A copy within a host that does not mount reads and writes at once. With the
// fewest places there can be it must not wait for itself, not where uploads
// break off and go on either.
func TestUploadsCopyWithinAHost(t *testing.T) {
	h := newHarbour(t, registrytest.Options{NoMount: true}, cache.Policy{})
	packed := voyage(t, "1.0.0", noise(2<<20)...)
	if _, err := h.client.Push(t.Context(), packed, h.repo, chart.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, fails := range map[string]func(req *http.Request, n int64) (status int){
		"well": func(*http.Request, int64) int { return 0 },
		"with uploads that break off": func(_ *http.Request, n int64) int {
			if n%2 == 1 {
				return -1
			}
			return 0
		},
		"with a server that fails": func(_ *http.Request, n int64) int {
			if n%2 == 1 {
				return 502
			}
			return 0
		},
		"in chunks that break off": func(req *http.Request, n int64) int {
			switch {
			case req.Method == http.MethodPut && req.ContentLength > 0:
				return 405
			case req.Method == http.MethodPatch && n%3 == 2:
				return -1
			}
			return 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := httputil.NewSingleHostReverseProxy(u)
			var n atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if strings.Contains(req.URL.Path, "/uploads/") && (req.Method == http.MethodPut || req.Method == http.MethodPatch) {
					switch status := fails(req, n.Add(1)); status {
					case 0:
					case -1:
						io.CopyN(io.Discard, req.Body, req.ContentLength/2)
						panic(http.ErrAbortHandler)
					default:
						w.WriteHeader(status) // before the content has come
						return
					}
				}
				proxy.ServeHTTP(w, req)
			}))
			defer s.Close()
			s.Config.ErrorLog = nil
			host := strings.TrimPrefix(s.URL, "http://")
			r, err := registry.NewClient(&registry.Options{
				Retry: registry.Retry{Wait: time.Millisecond},
				Hosts: func(string) (registry.HostConfig, error) { return registry.HostConfig{MaxConcurrent: 2}, nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			client, err := chart.NewClient(&chart.ClientOptions{Registry: r, Cache: cache.None()})
			if err != nil {
				t.Fatal(err)
			}
			end := &harbour{client: client}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			to := registry.Reference{Host: host, Repository: "mirror/" + strings.ReplaceAll(name, " ", "-")}
			copied, err := client.Copy(ctx, end.from(t, registry.Reference{Host: host, Repository: h.repo.Repository, Tag: "1.0.0"}), end.to(t, to), chart.CopyOptions{})
			if err != nil || copied.Mounted != 0 {
				t.Fatalf("%+v, %v", copied, err)
			}
			there := &harbour{repo: registry.Reference{Host: h.Host, Repository: to.Repository}}
			whole(t, there.repository(t), packed.Manifest)
		})
	}
}
