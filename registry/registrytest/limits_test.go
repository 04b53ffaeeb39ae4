package registrytest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/registry/registrytest"
)

func TestWaits(t *testing.T) {
	s := quirksServer(t, nil)
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tc := range []struct {
		name   string
		header http.Header
		want   map[string]string
	}{
		{"seconds", registrytest.RetryAfter(90 * time.Second), map[string]string{"Retry-After": "90"}},
		{"date", registrytest.RetryAt(at), map[string]string{"Retry-After": "Wed, 02 Jan 2030 03:04:05 GMT"}},
		{"draft", registrytest.RateLimit(100, 0, time.Minute), map[string]string{"RateLimit-Limit": "100", "RateLimit-Remaining": "0", "RateLimit-Reset": "60"}},
		{"Docker Hub", registrytest.RateLimitHub(100, 7, 6*time.Hour), map[string]string{"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "7;w=21600"}},
		{"GitHub", registrytest.RateLimitGitHub(60, 0, at), map[string]string{"X-RateLimit-Limit": "60", "X-RateLimit-Reset": "1893553445"}},
	} {
		s.SetFaults(&registrytest.Faults{Status: 429, Code: "TOOMANYREQUESTS", Header: tc.header})
		resp, _, err := quirksDo(t, "GET", s.URL+"/v2/", nil, "")
		if err != nil || resp.StatusCode != 429 {
			t.Fatalf("%s: %v %v", tc.name, resp, err)
		}
		for name, want := range tc.want {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s %q, want %q", tc.name, name, got, want)
			}
		}
	}
}
