// Package registrytest runs an OCI registry in the process, for tests and
// demonstrations: a conforming one that keeps everything in memory, counts
// requests and bytes, and misbehaves as real registries do when told to.
//
// It is meant for programs that embed this module as much as for the module's
// own tests.
package registrytest

import (
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
)

// Auth is the authentication scheme of a Server.
type Auth int

// The schemes.
const (
	Open   Auth = iota // everyone may do everything
	Basic              // HTTP basic authentication (RFC 7617)
	Bearer             // tokens from a token service (Docker token authentication)
)

// Options configure a Server. The zero value is an open registry on plain
// HTTP without delay.
type Options struct {
	// Auth is the scheme; Users are its names and passwords.
	Auth  Auth
	Users map[string]string
	// AnonymousPull lets everyone pull; with Bearer, through a token of an
	// anonymous request, as public registries do.
	AnonymousPull bool
	// TokenLifetime is how long tokens are good. Zero: five minutes.
	TokenLifetime time.Duration
	// TLS serves HTTPS with a certificate that Certificate returns.
	TLS bool
	// Latency is waited before each answer.
	Latency time.Duration
	// PageSize is the most tags in one page. Zero: all.
	PageSize int
	// NoReferrers leaves out the referrers API, as distribution does: clients
	// keep the list under a tag (OCI distribution spec 1.1, Referrers Tag
	// Schema).
	NoReferrers bool
	// NoMount answers each mount of a blob with an upload, as the spec allows.
	NoMount bool
}

// Server is a registry listening on a loopback port. It is safe for
// concurrent use. The caller closes it.
type Server struct {
	// URL is the base, "http://127.0.0.1:port"; Host is what stands in
	// references, "127.0.0.1:port".
	URL, Host string

	options  Options
	http     *httptest.Server
	registry http.Handler
	tokens   tokens
	faults   atomic.Pointer[Faults]

	mu  sync.Mutex
	log []*record
}

// New starts a registry. Options may be nil.
func New(options *Options) *Server {
	s := new(Server)
	if options != nil {
		s.options = *options
	}
	if s.options.TokenLifetime == 0 {
		s.options.TokenLifetime = 5 * time.Minute
	}
	s.registry = conforming(ociserver.New(ocimem.New(), &ociserver.Options{
		MaxListPageSize:         s.options.PageSize,
		DisableReferrersAPI:     s.options.NoReferrers,
		DisableSinglePostUpload: true, // as distribution does, which most registries are built on
	}), s.options)
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.http.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // broken connections are what it is for
	if s.options.TLS {
		s.http.StartTLS()
	} else {
		s.http.Start()
	}
	s.URL = s.http.URL
	_, s.Host, _ = strings.Cut(s.URL, "://")
	return s
}

// Close ends the server and its connections.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// Certificate is the root to trust, with TLS; nil without.
func (s *Server) Certificate() *x509.Certificate { return s.http.Certificate() }

// serve is the whole path of a request: log, delay, faults, identity, registry.
func (s *Server) serve(w http.ResponseWriter, req *http.Request) {
	rec := s.record(req)
	req.Body = &countingBody{req.Body, rec}
	cw := &countingWriter{ResponseWriter: w, rec: rec}
	time.Sleep(s.options.Latency)
	fault := s.faults.Load()
	if !fault.matches(req) {
		fault = nil
	}
	switch {
	case fault.instead(cw):
	case Tokens(req):
		s.serveToken(cw, req)
	case s.authorized(cw, req):
		fault.serve(s.registry, cw, req)
	}
}
