package registry_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/portolan-oci/portolan/registry"
)

// An upload that is led to another host says nothing of who asks, whoever dials:
// a proxy, or a transport of the caller's.
func Test54UploadsElsewhereWhoeverDials(t *testing.T) {
	const secret = "canary"
	var puts atomic.Int64
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body)
		if req.Method == http.MethodPut && req.Host == "storage.example" {
			puts.Add(1)
		}
		if req.Header.Get("X-Key") != "" {
			t.Errorf("%s %s has the header of the host", req.Method, req.URL)
		}
		w.WriteHeader(http.StatusCreated)
	}))
	defer storage.Close()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Location", "http://storage.example/bucket/1")
		w.WriteHeader(http.StatusAccepted)
	}))
	defer origin.Close()
	at, err := url.Parse(storage.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, transport := range map[string]http.RoundTripper{
		"proxy":     nil,
		"transport": &http.Transport{Proxy: func(req *http.Request) (*url.URL, error) { return proxyOf(req, at), nil }},
	} {
		t.Run(name, func(t *testing.T) {
			puts.Store(0)
			repo := elsewhereRepository(t, strings.TrimPrefix(origin.URL, "http://"), &registry.Options{Transport: transport, Hosts: func(host string) (registry.HostConfig, error) {
				if host != "storage.example" {
					return registry.HostConfig{}, nil
				}
				return registry.HostConfig{PlainHTTP: true, Header: http.Header{"X-Key": {secret}}, Proxy: http.ProxyURL(at)}, nil
			}})
			content := []byte("content")
			if err := repo.Push(t.Context(), gateDescriptor(content), bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			if puts.Load() != 1 {
				t.Errorf("%d uploads", puts.Load())
			}
		})
	}
}

func proxyOf(req *http.Request, at *url.URL) *url.URL {
	if req.URL.Host == "storage.example" {
		return at
	}
	return nil
}

func elsewhereRepository(t *testing.T, host string, options *registry.Options) *registry.Repository {
	t.Helper()
	client, err := registry.NewClient(impatient(options))
	if err != nil {
		t.Fatal(err)
	}
	return gateRepository(t, client, host, "team/app")
}
