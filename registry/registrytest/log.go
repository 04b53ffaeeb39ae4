package registrytest

import (
	"fmt"
	"net/http"
	"strings"
)

// Request is what the server saw and answered.
type Request struct {
	Method, Path, Query string
	Status              int   // 0: the connection was cut
	Received, Sent      int64 // bytes of the request's and the response's body
	Authorization       bool  // whether one was sent
	Host                string
	ClientCertificate   bool // whether the client showed one
	Failed              bool // whether Faults struck it

	header http.Header
}

// Header is the value of one header of the request, the first one; "" if there
// is none. Host is a field of its own.
func (r Request) Header(name string) string { return r.header.Get(name) }

// Headers are all of them. The caller owns the copy.
func (r Request) Headers() http.Header { return r.header.Clone() }

// String is the method, path and status of the request.
func (r Request) String() string { return fmt.Sprintf("%s %s %d", r.Method, r.Path, r.Status) }

// Token tells requests to the token service from those to the registry.
func (r Request) Token() bool { return r.Path == tokenPath }

// Requests returns what was asked since the start or the last Reset, in the
// order of arrival. A request that is still being served has what it has so
// far.
func (s *Server) Requests() []Request { return s.log.requests() }

// Reset forgets the requests so far, those to the storage too, and the most
// connections.
func (s *Server) Reset() {
	s.log.reset()
	s.most.Store(s.open.Load())
	if s.Storage != nil {
		s.Storage.log.reset()
	}
}

// Cost sums up requests.
type Cost struct {
	Requests       int // all but the next two
	Challenges     int // answered with 401
	Tokens         int // to the token service
	Received, Sent int64
	methods        []string
}

// Cost sums up the requests since the start or the last Reset.
func (s *Server) Cost() Cost {
	var c Cost
	for _, r := range s.Requests() {
		switch {
		case r.Token():
			c.Tokens++
		case r.Status == http.StatusUnauthorized:
			c.Challenges++
		default:
			c.Requests++
			c.methods = append(c.methods, r.Method)
		}
		c.Received += r.Received
		c.Sent += r.Sent
	}
	return c
}

// Methods lists the methods of the counted requests, as in "HEAD PUT".
func (c Cost) Methods() string { return strings.Join(c.methods, " ") }

// String prints the cost for people.
func (c Cost) String() string {
	text := fmt.Sprintf("%d requests", c.Requests)
	if c.Requests == 1 {
		text = "1 request"
	}
	if len(c.methods) > 0 {
		text += " (" + c.Methods() + ")"
	}
	if c.Challenges+c.Tokens > 0 {
		text += fmt.Sprintf(", %d challenges, %d tokens", c.Challenges, c.Tokens)
	}
	return text + fmt.Sprintf(", %d bytes up, %d bytes down", c.Received, c.Sent)
}
