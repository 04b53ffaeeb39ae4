package auth

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// dialControl has the shape of net.Dialer.ControlContext.
type dialControl = func(ctx context.Context, network, address string, c syscall.RawConn) error

// SignerOptions configures a Signer. The zero value signs anonymously.
type SignerOptions struct {
	// Provider finds credentials; nil is anonymous. Its answers are used for
	// up to 4 min 50 s, not beyond their expiry, and not after the registry
	// has rejected them.
	Provider Provider
	// NewTransport makes a transport for token servers. Its dialer must call
	// control before it connects (net.Dialer.ControlContext): the rule on
	// internal addresses lives there. It is called a few times by NewSigner.
	// Nil is an http.Transport with the system's roots.
	NewTransport func(control func(ctx context.Context, network, address string, c syscall.RawConn) error) http.RoundTripper
	// Proxy is the proxy function of the transports that NewTransport makes.
	// Behind a proxy addresses cannot be checked, and the proxy's own may be
	// internal. Nil is none with a NewTransport, else the environment's.
	Proxy func(*http.Request) (*url.URL, error)
	// TrustedRealms are hosts, with or without a port, of token servers that
	// may be at any address whatever the registry's is.
	TrustedRealms []string
	// SameOriginRealms refuses token servers that are not on the registry's own
	// origin (scheme, host and port) and not among TrustedRealms: for programs
	// that let strangers choose the registry.
	SameOriginRealms bool
	// PasswordGrant asks token servers for tokens with a user name and
	// password by POST first (grant_type=password, RFC 6749, section 4.3), and
	// by GET where that is answered 400, 401, 404 or 405. Without it they are
	// asked by GET, which all of them know.
	PasswordGrant bool
	// RetryAnonymous tries a pull that ends in a 401 or 403 once without the
	// credential, and warns: a credential that is stale or too narrow makes
	// public content unreadable. A pull is a GET or HEAD whose hint has scopes,
	// all of them for pulling alone.
	RetryAnonymous bool
	// AllowPlaintext tells whether credentials may travel over plain HTTP to a
	// host[:port], where port 80 is left out; nil allows none. Loopback
	// (localhost, 127.0.0.0/8, ::1) is always allowed. It may be called
	// concurrently.
	AllowPlaintext func(host string) bool
	// UserAgent is sent to token servers; empty is Go's own.
	UserAgent string
	// Logger gets debug messages without secrets, and the warnings of
	// RetryAnonymous; nil is silent.
	Logger *slog.Logger
}

// Hint tells what an operation is about to do.
type Hint struct {
	// Resource is whose credential to use. It counts only where the request
	// goes to its API host; a request to another host is signed with that
	// host's credential. The zero value is the host of the request.
	Resource Resource
	// Scopes are what a token must carry. They, and not the challenge of the
	// operation's first request, decide: a push begins with a HEAD, whose
	// challenge asks for pull alone. Without scopes the challenge decides.
	Scopes []Scope
	// Preemptive sends a user name and password with the first request already
	// where nothing is known of the host yet: some servers answer a request
	// without them by 404 or by less, and never challenge. What may not carry
	// secrets is sent without them, and may be challenged.
	Preemptive bool
}

// Signer authenticates requests to registries. It remembers how each registry
// wants to be answered and the tokens that it got; both belong to its one
// identity. It is immutable and safe for concurrent use.
type Signer struct {
	opts       SignerOptions
	transports [3]http.RoundTripper // by dialRule
	key        [32]byte
	now        func() time.Time
	log        *slog.Logger
	lookups    *answers
	schemes    *schemes
	tokens     *tokenCache
	fetches    *flights[fetchKey, *token]
	offline    *offlineToken // of a login; nil: none is asked for, none is kept
}

// NewSigner returns a Signer; nil options are the zero value. A trusted realm
// that is not a host or host:port is an error.
func NewSigner(opts *SignerOptions) (*Signer, error) {
	s := &Signer{now: time.Now}
	if opts != nil {
		s.opts = *opts
	}
	s.opts.TrustedRealms = slices.Clone(s.opts.TrustedRealms)
	for _, t := range s.opts.TrustedRealms {
		if _, err := parseHost(t); err != nil || strings.Contains(t, "/") {
			return nil, fmt.Errorf("trusted realm %q is not a host or host:port", t)
		}
	}
	s.log = s.opts.Logger
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	newTransport := s.opts.NewTransport
	if newTransport == nil {
		if s.opts.Proxy == nil {
			s.opts.Proxy = http.ProxyFromEnvironment
		}
		newTransport = newTokenTransport(s.opts.Proxy)
	}
	for _, rule := range []dialRule{dialPublic, dialInternal, dialAny} {
		s.transports[rule] = newTransport(rule.control)
	}
	s.forget()
	return s, nil
}

// With returns a signer for another identity. It shares the connections to
// token servers and nothing else: no tokens, no credentials, nothing that was
// learned with them. A nil p is anonymous.
func (s *Signer) With(p Provider) *Signer {
	o := *s
	o.opts.Provider = p
	o.forget()
	return &o
}

func (s *Signer) forget() {
	rand.Read(s.key[:])
	s.lookups, s.schemes, s.tokens, s.fetches = s.newLookups(), &schemes{}, &tokenCache{}, &flights[fetchKey, *token]{}
}

// Format writes the type's name: what a signer holds changes while it is used,
// and is nobody's to print.
func (s *Signer) Format(f fmt.State, _ rune) { io.WriteString(f, "auth.Signer") }

// closeIdle ends the connections of a signer that was made for one use.
func (s *Signer) closeIdle() {
	for _, t := range s.transports {
		if c, ok := t.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	}
}

// Do sends req through send, with the credential of hint, and answers the
// registry's challenge.
//
// The send function makes one exchange. It may follow redirects, and must drop
// the Authorization header when one leaves the origin of the request it was
// given. It may be called up to three times, and as often again without a
// credential where SignerOptions.RetryAnonymous says so, each time with a clone
// of req: req itself is never changed, but its body is closed, as by an
// http.Client. An Authorization header of req is replaced. A challenge counts
// only if resp.Request shows that it came from the origin that was addressed.
//
// Once a registry's challenge is known, requests are signed before they are
// sent, so a token costs one challenge for each registry and one token request
// for each repository scope and token lifetime. A token that the registry
// rejects is renewed once, and so is a credential that the registry or its
// token server rejects. Where a token server refuses several scopes, it is
// asked once more for those that this request needs. To send a request again,
// its body must be nil, http.NoBody, or have a GetBody.
//
// A 401 or a 403 never comes back as a response. It is an *Error that matches
// ErrUnauthorized or ErrDenied, with the registry's codes (of at most 8 KiB of
// body), the credential's origin, and the reasons why another credential was
// not found. Other errors are an *Error that matches ErrRealmRefused or
// ErrPlaintextRefused or that tells what the token server answered, the error
// of a context that ended, or what send returned. All other responses come
// back as they are; their body is the caller's to close.
func (s *Signer) Do(req *http.Request, hint Hint, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	x := s.newExchange(req, hint, send)
	resp, err := x.run()
	if err != nil && s.opts.RetryAnonymous && x.mayRetryAnonymous(err) {
		return x.retryAnonymous(err)
	}
	return resp, err
}

func (x *exchange) run() (*http.Response, error) {
	sig, err := x.presign(x.req.Context())
	if err != nil {
		if x.req.Body != nil {
			x.req.Body.Close()
		}
		return nil, err
	}
	for {
		resp, err := x.sendOnce(sig)
		if err != nil {
			return nil, err
		}
		next, err := x.judge(resp, sig)
		if err != nil {
			resp.Body.Close()
			return nil, err
		}
		if next == nil {
			return resp, nil
		}
		resp.Body.Close()
		sig = next
	}
}
