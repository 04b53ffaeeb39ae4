package registry

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/portolan-oci/portolan/internal/redact"
)

// maxLogged bounds what a record repeats of an error, in bytes.
const maxLogged = 1024

// logged writes a debug record "request" for each exchange on the wire when
// its answer begins, one "body" when the answer's body has ended, and the
// warnings that registries send. Headers are never written: who we are stands
// there, and what HostConfig adds.
type logged struct {
	next   http.RoundTripper
	log    *slog.Logger
	warned *warnings
	hosts  *hosts
}

func (c *Client) logged(next http.RoundTripper) http.RoundTripper {
	return logged{next, c.log, c.warned, c.hosts}
}

// loggedQuietly is logged for token servers: warnings are a registry's (OCI
// distribution spec 1.1, Warnings), and what they are sent is secret.
func (c *Client) loggedQuietly(next http.RoundTripper) http.RoundTripper {
	return logged{next, c.log, nil, c.hosts}
}

type attemptKey struct{}

// withAttempt marks a request's context with which attempt it is, from 1, for
// the log.
func withAttempt(ctx context.Context, n int) context.Context {
	return context.WithValue(ctx, attemptKey{}, n)
}

// CloseIdleConnections lets a signer that was made for one use end its own.
func (l logged) CloseIdleConnections() { closeIdle(l.next) }

func (l logged) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	debug := l.log.Enabled(ctx, slog.LevelDebug)
	start := time.Now()
	resp, err := l.next.RoundTrip(req)
	if err == nil && l.warned != nil {
		l.warned.tell(ctx, l.log, resp)
	}
	if !debug {
		return resp, err
	}
	var echoes []string
	if first := original(req); first != req {
		echoes = l.hosts.echoes(first) // which a redirect may repeat
	}
	address := redact.Hide(redact.URL(req.URL), echoes)
	line := []any{"method", req.Method, "url", address}
	if n, _ := ctx.Value(attemptKey{}).(int); n > 1 {
		line = append(line, "attempt", n)
	}
	if req.ContentLength > 0 {
		line = append(line, "sent", req.ContentLength)
	}
	if err != nil {
		l.log.DebugContext(ctx, "request", append(line, "took", since(start), "error", redact.Text(redact.Hide(err.Error(), echoes), maxLogged))...)
		return nil, err
	}
	l.log.DebugContext(ctx, "request", append(line, "status", resp.StatusCode, "length", resp.ContentLength, "took", since(start))...)
	if resp.Body != nil && resp.Body != http.NoBody && resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body = &loggedBody{ReadCloser: resp.Body, start: time.Now(), ended: func(n int64, took time.Duration, err error) {
			line := []any{"url", address, "bytes", n, "took", took}
			if err != nil {
				line = append(line, "error", redact.Text(err.Error(), maxLogged))
			}
			l.log.DebugContext(ctx, "body", line...)
		}}
	}
	return resp, nil
}

func since(start time.Time) time.Duration { return time.Since(start).Round(time.Microsecond) }

// loggedBody tells once how much of a body came. It may be closed while it is
// read.
type loggedBody struct {
	io.ReadCloser
	start time.Time
	ended func(n int64, took time.Duration, err error)

	mu   sync.Mutex
	n    int64
	told bool
}

func (b *loggedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	b.n += int64(n)
	b.mu.Unlock()
	if err == io.EOF {
		b.end(nil)
	} else if err != nil {
		b.end(err)
	}
	return n, err
}

func (b *loggedBody) Close() error {
	err := b.ReadCloser.Close()
	b.end(nil)
	return err
}

func (b *loggedBody) end(err error) {
	b.mu.Lock()
	n, told := b.n, b.told
	b.told = true
	b.mu.Unlock()
	if !told {
		b.ended(n, since(b.start), err)
	}
}
