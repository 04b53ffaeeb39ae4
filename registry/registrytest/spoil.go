package registrytest

import (
	"context"
	"net/http"
	"strconv"
)

// spoiler passes an answer on until the point where it fails. It streams:
// tests of memory run against it.
type spoiler struct {
	http.ResponseWriter
	fault *fault
	req   *http.Request
	life  context.Context

	status int   // 0: not begun
	sound  bool  // nothing is to be done to this answer
	size   int64 // of the body as announced; -1: not
	sent   int64
	held   []byte // of a body that was not announced
	ended  bool
}

// WriteHeader implements http.ResponseWriter.
func (s *spoiler) WriteHeader(status int) {
	if s.status != 0 {
		return
	}
	s.status = status
	f, header := s.fault, s.Header()
	if f.NoDigestHeader {
		header.Del("Docker-Content-Digest")
	}
	s.size = -1
	if n, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64); err == nil {
		s.size = n
	}
	s.sound = status/100 != 2 || s.req.Method == http.MethodHead || s.size == 0 || !(f.Truncate || f.Corrupt || s.breaks())
	if f.NoLength && status/100 == 2 && s.req.Method != http.MethodHead {
		header.Del("Content-Length")
	}
	if s.sound || s.size >= 0 {
		s.begin()
	}
}

// begin sends the headers.
func (s *spoiler) begin() {
	s.ResponseWriter.WriteHeader(s.status)
	if s.fault.NoLength && s.status/100 == 2 && s.req.Method != http.MethodHead {
		s.flush() // or net/http finds the length of a short body out
	}
}

func (s *spoiler) flush() { _ = http.NewResponseController(s.ResponseWriter).Flush() }

// breaks tells whether the fault is one that ends an answer in its body.
func (s *spoiler) breaks() bool {
	return (s.fault.At == MidBody || s.fault.At == LastByte) && s.fault.replaces(s.req)
}

// Write implements http.ResponseWriter.
func (s *spoiler) Write(p []byte) (int, error) {
	if s.status == 0 {
		s.WriteHeader(http.StatusOK)
	}
	switch {
	case s.sound:
		return s.ResponseWriter.Write(p)
	case s.ended:
		return len(p), nil
	case s.size < 0:
		s.held = append(s.held, p...)
		return len(p), nil
	}
	return s.pass(p)
}

// finish sends what was held back to learn its size.
func (s *spoiler) finish() {
	if s.status == 0 || s.sound || s.size >= 0 {
		return
	}
	s.size = int64(len(s.held))
	if s.fault.Truncate && !s.fault.NoLength {
		s.Header().Set("Content-Length", strconv.Itoa(len(s.held)))
	}
	s.begin()
	if s.size > 0 {
		s.pass(s.held)
	}
}

// pass sends p up to where the fault is.
func (s *spoiler) pass(p []byte) (int, error) {
	if s.fault.Corrupt {
		p = s.corrupted(p)
	}
	if !s.fault.Truncate && !s.breaks() {
		s.sent += int64(len(p))
		return s.ResponseWriter.Write(p)
	}
	all := len(p)
	p = p[:min(int64(len(p)), s.end()-s.sent)]
	n, err := s.ResponseWriter.Write(p)
	s.sent += int64(n)
	if err != nil || s.sent < s.end() {
		return n, err
	}
	s.ended = true
	s.flush()
	switch {
	case s.fault.Truncate && s.fault.NoLength: // ends as if that were all
	case s.fault.Stall:
		stall(s.ResponseWriter, s.life)
	default:
		cut(s.ResponseWriter, s.fault.Reset)
	}
	return all, nil
}

// end is how much of the body is sent.
func (s *spoiler) end() int64 {
	if s.fault.At == LastByte {
		return s.size - 1
	}
	return s.size / 2
}

// corrupted returns p with the bit flipped, if it holds the byte.
func (s *spoiler) corrupted(p []byte) []byte {
	at := s.size - 1
	if s.fault.At == MidBody {
		at = s.size / 2
	}
	if at < s.sent || at >= s.sent+int64(len(p)) {
		return p
	}
	p = append([]byte(nil), p...)
	p[at-s.sent] ^= 1
	return p
}

// Unwrap lets http.ResponseController through.
func (s *spoiler) Unwrap() http.ResponseWriter { return s.ResponseWriter }
