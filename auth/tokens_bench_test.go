package auth

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// BenchmarkDoSigned is a request to a registry whose scheme is known, with a
// live token: what every request of a long operation costs beside the network.
func BenchmarkDoSigned(b *testing.B) {
	for _, kind := range []string{"bearer", "basic"} {
		b.Run(kind, func(b *testing.B) {
			s, err := NewSigner(&SignerOptions{
				Provider:     Static(Resource{Host: "r.example"}, password("bob", canary)),
				NewTransport: func(dialControl) http.RoundTripper { return &tokensFake{} },
			})
			if err != nil {
				b.Fatal(err)
			}
			req, _ := http.NewRequestWithContext(b.Context(), "GET", tokensRegistry, nil)
			req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
			hint := Hint{Resource: Resource{"r.example", "a"}, Scopes: []Scope{RepositoryScope("a", "pull", "push")}}
			do := func() {
				resp, err := s.Do(req, hint, func(r *http.Request) (*http.Response, error) {
					resp := &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}
					if r.Header.Get("Authorization") == "" {
						resp.StatusCode = 401
						resp.Header = http.Header{"Www-Authenticate": {map[string]string{"basic": "Basic", "bearer": `Bearer realm="https://t.example/token",service="r"`}[kind]}}
					}
					return resp, nil
				})
				if err != nil {
					b.Fatal(err)
				}
				resp.Body.Close()
			}
			do()
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		})
	}
}

// BenchmarkTokenCacheFind looks for a token among as many as a signer holds,
// all of one identity at one registry, from 16 goroutines.
func BenchmarkTokenCacheFind(b *testing.B) {
	var c tokenCache
	now := time.Now()
	key := tokenKey{at: origin{"https", "registry.example.com"}, realm: "https://auth.example.com/token", service: "registry.example.com"}
	var needs [][]Scope
	for i := range maxTokens {
		name := fmt.Sprintf("some-organization/some-team/charts/application-%03d", i)
		c.add(&token{key: key, scopes: []Scope{RepositoryScope(name, "pull", "push")}, renew: now.Add(time.Hour)}, now)
		needs = append(needs, []Scope{RepositoryScope(name, "pull")})
	}
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range b.N / 16 {
				if c.find(key, needs[(i+g*32)%maxTokens], now) == nil {
					b.Error("a token is not found")
					return
				}
			}
		})
	}
	wg.Wait()
}
