package chart_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// TestVersionsOfOddLists: registries spell the end, the next page and nothing
// in many ways (quay#2884, distribution-spec#470).
func TestVersionsOfOddLists(t *testing.T) {
	list := func(tags, link string) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			page := tags
			if req.URL.Query().Get("last") != "" {
				page = `["1.1.0","10.0.0","1.0.0"]`
			} else if link != "" {
				w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, link))
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"name":"a","tags":%s}`, page)
		}
	}
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
		fails  error
	}{
		{"null", list("null", ""), "", nil},
		{"empty", list("[]", ""), "", nil},
		{"unsorted, absolute path", list(`["9.0.0","1.0.0"]`, "/v2/a/tags/list?last=1.0.0"), "10.0.0 9.0.0 1.1.0 1.0.0", nil},
		{"relative", list(`["9.0.0","1.0.0"]`, "list?last=1.0.0"), "10.0.0 9.0.0 1.1.0 1.0.0", nil},
		{"empty page between", list(`[]`, "/v2/a/tags/list?last=x"), "10.0.0 1.1.0 1.0.0", nil},
		{"tags that are none", list(`["1.0.0","-","../x","1.0.0+b","9.9.9\u001b"]`, ""), "1.0.0", nil},
		{"HTML", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<!DOCTYPE html><title>Sign in</title>")
		}, "", registry.ErrUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := httptest.NewServer(tc.answer)
			defer s.Close()
			host := strings.TrimPrefix(s.URL, "http://")
			h := &harbour{Server: &registrytest.Server{Host: host}}
			var got []string
			var failed error
			for v, err := range h.newClient(t, cache.Policy{}).Versions(t.Context(), registry.Reference{Host: host, Repository: "a"}, chart.VersionOptions{}) {
				if err != nil {
					failed = err
					continue
				}
				got = append(got, v.Version)
			}
			if !errors.Is(failed, tc.fails) || !slices.Equal(got, strings.Fields(tc.want)) {
				t.Errorf("%v, %v, want %s and %v", got, failed, tc.want, tc.fails)
			}
		})
	}
}
