package registrytest

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// record is a request as it is being served. It is in the log from its first
// moment, and counts before it writes: a client that has its answer finds it
// in the log.
type record struct {
	request        Request // as it came
	bodiless       bool    // net/http sends nothing of what is written
	failed         atomic.Bool
	status         atomic.Int64
	received, sent atomic.Int64
}

// ledger is the log of one or more listeners.
type ledger struct {
	mu  sync.Mutex
	all []*record
}

// enter writes a request down and returns what counts its bytes.
func (l *ledger) enter(w http.ResponseWriter, req *http.Request) (http.ResponseWriter, *http.Request) {
	r := &record{
		request: Request{Method: req.Method, Path: req.URL.Path, Query: req.URL.RawQuery, Host: req.Host,
			Authorization:     req.Header.Get("Authorization") != "",
			ClientCertificate: req.TLS != nil && len(req.TLS.PeerCertificates) > 0,
			header:            req.Header.Clone()},
		bodiless: req.Method == http.MethodHead,
	}
	l.mu.Lock()
	l.all = append(l.all, r)
	l.mu.Unlock()
	// A copy: net/http lets a client read an early answer, and does not reset
	// the connection, only where it finds its own body left unread.
	counted := req.WithContext(req.Context())
	counted.Body = &countingBody{req.Body, r}
	return &countingWriter{ResponseWriter: w, rec: r}, counted
}

func (l *ledger) requests() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Request, len(l.all))
	for i, r := range l.all {
		all[i] = r.snapshot()
	}
	return all
}

func (l *ledger) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = nil
}

func (r *record) snapshot() Request {
	request := r.request
	request.Status = int(r.status.Load())
	request.Failed = r.failed.Load()
	request.Received, request.Sent = r.received.Load(), r.sent.Load()
	return request
}

// countingBody counts what a client uploads.
type countingBody struct {
	io.ReadCloser
	rec *record
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.rec.received.Add(int64(n))
	return n, err
}

// countingWriter counts what a client is sent.
type countingWriter struct {
	http.ResponseWriter
	rec *record
}

func (w *countingWriter) WriteHeader(status int) {
	w.rec.status.CompareAndSwap(0, int64(status))
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.rec.status.CompareAndSwap(0, http.StatusOK)
	if w.rec.bodiless {
		return w.ResponseWriter.Write(p)
	}
	w.rec.sent.Add(int64(len(p)))
	n, err := w.ResponseWriter.Write(p)
	w.rec.sent.Add(int64(n - len(p)))
	return n, err
}

// strike notes that a fault strikes the request that w answers.
func strike(w http.ResponseWriter) {
	if c, ok := w.(*countingWriter); ok {
		c.rec.failed.Store(true)
	}
}

// Unwrap lets http.ResponseController through: a fault cuts the connection.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
