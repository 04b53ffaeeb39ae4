package registrytest

import (
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// record is a request as it is being served. It is in the log from its first
// moment, and counts before it writes: a client that has its answer finds it
// in the log.
type record struct {
	request        Request // as it came
	bodiless       bool    // net/http sends nothing of what is written
	status         atomic.Int64
	received, sent atomic.Int64
}

func (s *Server) record(req *http.Request) *record {
	r := &record{
		request: Request{Method: req.Method, Path: req.URL.Path, Query: req.URL.RawQuery,
			Authorization: req.Header.Get("Authorization") != ""},
		bodiless: req.Method == http.MethodHead,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, r)
	return r
}

func (r *record) snapshot() Request {
	request := r.request
	request.Status = int(r.status.Load())
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

// hijack lets a fault cut the connection.
func (w *countingWriter) hijack() (net.Conn, error) {
	conn, _, err := http.NewResponseController(w.ResponseWriter).Hijack()
	return conn, err
}
