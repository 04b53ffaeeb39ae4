package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/opencontainers/go-digest"
)

// TLSConfig shows tests what a host's connections are made with.
func TLSConfig(c HostConfig) (*tls.Config, error) { return c.tlsConfig() }

// DialElsewhere shows tests which addresses a registry's answers may lead to.
func DialElsewhere(internal bool, address string) error {
	return dialElsewhere(internal)(nil, "tcp4", address, nil)
}

// Received shows tests how much of an upload an answer says has arrived.
func Received(rangeHeader string) (n int64, ok bool) {
	return received(&http.Response{Header: http.Header{"Range": {rangeHeader}}})
}

// Missing shows tests what an error's body says is missing.
func Missing(body []byte) ([]digest.Digest, bool) {
	resp := &http.Response{StatusCode: 400, Body: io.NopCloser(bytes.NewReader(body)), Request: &http.Request{Method: http.MethodPut}}
	return missing(readError(resp))
}

// Follow shows tests where a Location leads from an upload of a repository,
// and whether that is at the registry.
func Follow(r *Repository, location string) (at *url.URL, home bool, err error) {
	s := &uploadSession{repo: r, at: r.url("blobs/uploads/")}
	err = s.follow(&http.Response{Header: http.Header{"Location": {location}}})
	return s.at, s.home(), err
}

// WithAttempt shows tests how the log tells attempts apart.
func WithAttempt(ctx context.Context, n int) context.Context { return withAttempt(ctx, n) }

// MirrorDown shows tests for how long a mirror is passed over.
func MirrorDown(r *Repository) time.Duration {
	g := r.client.gateOf(r.route.mirrors[0])
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(time.Until(g.down), time.Until(g.distrust), 0)
}
