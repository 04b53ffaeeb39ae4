package registrytest

import (
	"context"
	"net/http"
	"sync"
)

// Faults are ways in which one registry, or what stands before it, fails for
// some requests. Each zero field is the right behaviour; the first of Cut,
// Stall, HTML, Redirect, Status and NoHead that is set decides. What a registry
// does to everyone at all times is in Options.
type Faults struct {
	// Match selects the requests that fail. nil: all but those to the token
	// service, which Tokens selects.
	Match func(*http.Request) bool
	// At is where in the exchange it fails. Zero: BeforeHeaders, for Truncate
	// and Corrupt the body.
	At Point
	// Times is how many of the matching requests fail, the first ones. Zero:
	// all of them.
	Times int
	// Probability is the share of the matching requests that fail, from 0 to 1.
	// Zero: all of them. Chance depends on Seed, the method, the path and how
	// often that was asked before, and on nothing else: two runs with the same
	// seed fail alike, however their requests are interleaved. Names of upload
	// sessions count as one.
	Probability float64
	Seed        uint64

	// Cut closes the connection, as a proxy does that is restarted; with Reset
	// by a TCP reset, in which data on its way is lost.
	Cut, Reset bool
	// Stall sends nothing more, until the client goes away or the server is
	// closed.
	Stall bool
	// HTML answers 200 with a web page, as a captive portal does.
	HTML bool
	// Redirect answers 307 with this Location.
	Redirect string
	// Status answers with this status and an error body, code Code.
	Status int
	Code   string
	// Header is added to the answers of HTML, Redirect and Status, as
	// RetryAfter and the RateLimit functions make it.
	Header http.Header
	// NoHead answers HEAD with 405.
	NoHead bool

	// Truncate ends the body, under its full Content-Length, after half, or
	// where At says.
	Truncate bool
	// NoLength sends bodies without Content-Length, chunked: with Truncate
	// they end there in the right form, as those of a proxy that lost its
	// upstream do, and only a digest or a size shows that something is missing.
	NoLength bool
	// Corrupt flips the last bit of the body, at MidBody that of a byte in the
	// middle, and keeps its length.
	Corrupt bool
	// BytesPerSecond slows both directions down. Zero: it does not.
	BytesPerSecond int
	// NoDigestHeader leaves out Docker-Content-Digest.
	NoDigestHeader bool
}

// SetFaults makes the server fail from now on, for each request by the first
// of faults that selects it and is not used up. Counting starts anew. nil, or
// none, ends all of it. The values are copied.
func (s *Server) SetFaults(faults ...*Faults) {
	var all []*fault
	for _, f := range faults {
		if f != nil {
			all = append(all, &fault{Faults: *f, asked: map[string]uint64{}})
		}
	}
	s.faults.Store(&all)
}

// fault is Faults in force.
type fault struct {
	Faults

	mu    sync.Mutex
	used  int
	asked map[string]uint64 // requests so far, by what they asked for
}

// faultFor returns what goes wrong with req, before it is let in or after; nil:
// nothing.
func (s *Server) faultFor(req *http.Request, early bool) *fault {
	all := s.faults.Load()
	if all == nil {
		return nil
	}
	for _, f := range *all {
		if f.matches(req) && f.applies(req, early) && f.strikes(req) {
			return f
		}
	}
	return nil
}

func (f *fault) applies(req *http.Request, early bool) bool {
	if early {
		return f.early(req)
	}
	return f.late(req)
}

func (f *fault) matches(req *http.Request) bool {
	if f.Match == nil {
		return !Tokens(req)
	}
	return f.Match(req)
}

// instead answers in the registry's place and tells whether it did.
func (f *fault) instead(w http.ResponseWriter, req *http.Request, life context.Context) bool {
	for name, values := range f.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	switch {
	case f.Cut, f.Reset:
		cut(w, f.Reset)
	case f.Stall:
		stall(w, life)
	case f.HTML:
		writePage(w)
	case f.Redirect != "":
		w.Header().Set("Location", f.Redirect)
		w.WriteHeader(http.StatusTemporaryRedirect)
	case f.Status != 0:
		writeError(w, f.Status, f.Code, "as ordered")
	case f.NoHead && req.Method == http.MethodHead:
		writeError(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "no HEAD")
	default:
		return false
	}
	return true
}

// replaces tells whether instead would answer.
func (f *fault) replaces(req *http.Request) bool {
	return f.Cut || f.Reset || f.Stall || f.HTML || f.Redirect != "" || f.Status != 0 || f.NoHead && req.Method == http.MethodHead
}
