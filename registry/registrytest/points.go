package registrytest

import (
	"context"
	"errors"
	"io"
	"net/http"
)

// Point is a place in an exchange.
type Point int

// The points, in the order in which a request comes by them.
const (
	// BeforeHeaders is before anything of the request's body is read, and
	// before anything is answered.
	BeforeHeaders Point = iota
	// MidUpload is when half of the request's body has been taken. A request
	// without a body, or whose length is not announced, does not fail.
	MidUpload
	// BeforeAnswer is when the registry has done all that was asked, and has
	// not said so: what was pushed is there.
	BeforeAnswer
	// MidBody is when the headers and half of the answer's body are sent.
	// Answers to HEAD, errors and redirects do not fail here and at LastByte,
	// and an answer by a status or a page cannot begin here: the connection is
	// cut instead.
	MidBody
	// LastByte is when all of the answer but its last byte is sent.
	LastByte
)

// early tells whether f strikes before the registry, or even its
// authentication, sees the request.
func (f *fault) early(req *http.Request) bool { return f.At == BeforeHeaders && f.replaces(req) }

// late tells whether req can come to where f strikes, once it is let in.
func (f *fault) late(req *http.Request) bool {
	head := req.Method == http.MethodHead
	switch {
	case f.early(req):
		return false
	case f.At == MidUpload:
		return req.ContentLength > 0 && f.replaces(req)
	case f.At == BeforeAnswer && f.replaces(req), head && (f.NoDigestHeader || f.BytesPerSecond > 0):
		return true
	case f.At == MidBody, f.At == LastByte:
		return !head
	}
	return !head && f.spoils()
}

func (f *fault) spoils() bool {
	return f.Truncate || f.Corrupt || f.NoLength || f.NoDigestHeader || f.BytesPerSecond > 0
}

// strikes counts the request and tells whether it fails.
func (f *fault) strikes(req *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Times > 0 && f.used >= f.Times {
		return false
	}
	if f.Probability > 0 && !f.chance(req) {
		return false
	}
	f.used++
	return true
}

var errMidUpload = errors.New("the upload broke off")

// serve lets the registry answer, and spoils it.
func (f *fault) serve(registry http.Handler, w http.ResponseWriter, req *http.Request, life context.Context) {
	if f.BytesPerSecond > 0 {
		req.Body = &slowBody{req.Body, pace{f.BytesPerSecond, req.Context()}}
		w = &slowWriter{w, pace{f.BytesPerSecond, req.Context()}}
	}
	switch f.At {
	case MidUpload:
		req.Body = &halfBody{req.Body, (req.ContentLength + 1) / 2}
		registry.ServeHTTP(nowhere{http.Header{}}, req)
		f.instead(w, req, life)
		return
	case BeforeAnswer:
		if f.replaces(req) {
			registry.ServeHTTP(nowhere{http.Header{}}, req)
			f.instead(w, req, life)
			return
		}
	}
	sp := &spoiler{ResponseWriter: w, fault: f, req: req, life: life}
	registry.ServeHTTP(sp, req)
	sp.finish()
}

// halfBody breaks off a request's body.
type halfBody struct {
	io.ReadCloser
	left int64
}

func (b *halfBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errMidUpload
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// nowhere takes an answer that nobody will see.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}
