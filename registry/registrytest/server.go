package registrytest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"
)

// Server is a registry listening on a loopback port. It is safe for
// concurrent use. The caller closes it.
type Server struct {
	// URL is the base, "http://127.0.0.1:port"; Host is what stands in
	// references, "127.0.0.1:port".
	URL, Host string
	// Realm is the URL of the token service, with Bearer.
	Realm string
	// Storage is the object storage behind the registry; nil where the options
	// need none.
	Storage *Storage

	options  Options
	http     *httptest.Server
	realm    *httptest.Server // nil: the same as http
	registry *handler
	tokens   tokens
	faults   atomic.Pointer[[]*fault]
	open     atomic.Int64
	most     atomic.Int64
	life     context.Context // ends with Close
	end      context.CancelFunc
	log      ledger
}

// New starts a registry. Options may be nil; they are copied.
func New(options *Options) *Server {
	s := new(Server)
	s.life, s.end = context.WithCancel(context.Background())
	if options != nil {
		s.options = *options
	}
	if s.options.TokenLifetime == 0 {
		s.options.TokenLifetime = 5 * time.Minute
	}
	if s.options.storage() {
		s.Storage = newStorage(s)
	}
	s.registry = newHandler(s)
	s.http = s.listen(http.HandlerFunc(s.serve), s.count)
	s.URL = s.http.URL
	_, s.Host, _ = strings.Cut(s.URL, "://")
	s.Realm = s.URL + tokenPath
	if s.options.SplitRealm {
		s.realm = s.listen(http.HandlerFunc(s.serve), nil)
		s.Realm = s.realm.URL + tokenPath
	}
	return s
}

// listen starts a listener with the server's kind of TLS.
func (s *Server) listen(h http.Handler, state func(net.Conn, http.ConnState)) *httptest.Server {
	l := httptest.NewUnstartedServer(h)
	l.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // broken connections are what it is for
	l.Config.ConnState = state
	switch {
	case s.options.ClientCAs != nil:
		l.TLS = &tls.Config{ClientCAs: s.options.ClientCAs, ClientAuth: tls.RequireAndVerifyClientCert}
		l.StartTLS()
	case s.options.TLS:
		l.TLS = &tls.Config{ClientAuth: tls.RequestClientCert} // to see who shows one unasked
		l.StartTLS()
	default:
		l.Start()
	}
	return l
}

// Close ends the server and its connections. It may be called again.
func (s *Server) Close() {
	s.end()
	closeListener(s.http)
	closeListener(s.realm)
	if s.Storage != nil {
		closeListener(s.Storage.http)
	}
}

func closeListener(l *httptest.Server) {
	if l != nil {
		l.CloseClientConnections()
		l.Close()
	}
}

// Certificate is the root to trust, with TLS; nil without.
func (s *Server) Certificate() *x509.Certificate { return s.http.Certificate() }

// Connections tells how many connections to the registry are open now, and the
// most that were since the start or the last Reset.
func (s *Server) Connections() (open, most int) {
	return int(s.open.Load()), int(s.most.Load())
}

func (s *Server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		now := s.open.Add(1)
		for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
		}
	case http.StateClosed, http.StateHijacked:
		s.open.Add(-1)
	}
}

// serve is the whole path of a request: log, delay, faults, identity, registry.
func (s *Server) serve(w http.ResponseWriter, req *http.Request) {
	w, req = s.log.enter(w, req)
	time.Sleep(s.options.Latency)
	if f := s.faultFor(req, true); f != nil {
		strike(w)
		f.instead(w, req, s.life)
		return
	}
	var h http.Handler = s.registry
	if Tokens(req) {
		h = http.HandlerFunc(s.serveToken)
	} else if req.URL.Path == webPath {
		h = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writePage(w) })
	} else if !s.authorized(w, req) {
		return
	}
	s.answer(h, w, req)
}

// answer lets h answer, and a fault spoil it.
func (s *Server) answer(h http.Handler, w http.ResponseWriter, req *http.Request) {
	if f := s.faultFor(req, false); f != nil {
		strike(w)
		f.serve(h, w, req, s.life)
		return
	}
	h.ServeHTTP(w, req)
}
