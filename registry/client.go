package registry

import (
	"log/slog"
	"net/http"
	"slices"

	"github.com/portolan-oci/portolan/auth"
)

// Options configure a Client. The zero value is an anonymous client with the
// default host configuration.
type Options struct {
	// Credentials answer who the client is at each host. nil: anonymous.
	Credentials auth.Provider
	// Hosts answers how a host, written as in references ("docker.io",
	// "localhost:5000"), is reached. It is asked for each host that is used,
	// redirect targets and token servers included, and may be called
	// concurrently; an error fails the request. nil: HostConfig's zero value for all.
	Hosts func(host string) (HostConfig, error)
	// Aliases are short names: each key is a path of one or more segments
	// without a host, each value the repository, or the part of a registry,
	// that stands in its place, as "team" for "registry.example.com/team". The
	// longest key that a name begins with counts. See ParseReference.
	Aliases map[string]string
	// Retry says how often and how long requests are tried again.
	Retry Retry
	// Transport replaces dialling altogether: every request, those to token
	// servers included, goes through it. TLS, Proxy and DialTimeout of Hosts do
	// not count then.
	// nil: HTTP/1.1 and HTTP/2 with a pool of connections per host.
	Transport http.RoundTripper
	// TrustedRealms are hosts that may serve tokens for any registry, private
	// addresses included. Others may as well, within auth's realm rules.
	TrustedRealms []string
	// SameOriginRealms lets no other host than the registry's own and those of
	// TrustedRealms serve tokens.
	SameOriginRealms bool
	// PasswordGrant asks token servers for tokens with a user name and password
	// by POST first, for the few that answer no GET.
	PasswordGrant bool
	// RetryAnonymous tries a pull that the registry refuses once without the
	// credential, and warns in the log: one that is stale, or that is for less,
	// makes public content unreadable (radius#6801, nginx-gateway-fabric#4282).
	RetryAnonymous bool
	// UserAgent is sent with every request. Empty: "portolan".
	UserAgent string
	// Logger gets two debug records for each exchange: "request" with method,
	// URL, status and time when the answer begins, and which attempt it is when
	// it is not the first; "body" with URL and the bytes that came, when it ends.
	// URLs are without what could be a secret, headers are left out. At warn
	// level it gets which hosts have certificates that are not verified, and what
	// registries warn of (OCI distribution spec 1.1,
	// Warnings), each text once. nil: silent.
	Logger *slog.Logger
}

// Client speaks to registries with one identity. It is immutable and safe for
// concurrent use; make one and share it: it holds the connections and tokens.
type Client struct {
	hosts       *hosts
	credentials auth.Provider // the signer's; nil: anonymous
	signer      *auth.Signer
	signing     auth.SignerOptions // what Options say of it
	userAgent   string
	aliases     aliases
	retry       Retry
	log         *slog.Logger
	elsewhere   *elsewhere
	chunking    *chunking
	warned      *warnings
	indexing    *turns      // of those who change a list of referrers
	known       *experience // of this identity
}

// NewClient makes a client. Options may be nil; they are copied. Aliases that
// could never be used, or that do not lead to a registry, are an error.
func NewClient(options *Options) (*Client, error) {
	var o Options
	if options != nil {
		o = *options
	}
	if o.UserAgent == "" {
		o.UserAgent = "portolan"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := o.Retry.validate(); err != nil {
		return nil, err
	}
	retry := o.Retry.withDefaults()
	names, err := newAliases(o.Aliases)
	if err != nil {
		return nil, err
	}
	c := &Client{
		aliases: names,
		hosts:   &hosts{configure: o.Hosts, base: o.Transport, maxWait: retry.MaxWait, log: o.Logger, made: map[string]hostEntry{}},
		signing: auth.SignerOptions{
			TrustedRealms: slices.Clone(o.TrustedRealms), SameOriginRealms: o.SameOriginRealms,
			PasswordGrant: o.PasswordGrant, RetryAnonymous: o.RetryAnonymous,
		},
		userAgent: o.UserAgent,
		retry:     retry,
		log:       o.Logger,
		warned:    newWarnings(),
		indexing:  new(turns),
		known:     newExperience(),
	}
	c.hosts.away = c.hosts.controlled(dialAway)
	c.elsewhere, c.chunking = newElsewhere(c.hosts), new(chunking)
	c.credentials = o.Credentials
	c.signer, err = auth.NewSigner(c.signerOptions(o.Credentials))
	if err != nil {
		return nil, err
	}
	return c, nil
}

// NewDefault makes a client with the credentials that the user already has, in
// the environment and in the files of docker, Helm and podman with their
// helpers, see auth.NewDefault; and with the certificates of docker's and
// containers' certs.d, see DefaultCerts. It reads the environment for where
// those files are.
func NewDefault() (*Client, error) {
	credentials, err := auth.NewDefault(nil)
	if err != nil {
		return nil, err
	}
	return NewClient(&Options{Credentials: credentials, Hosts: DefaultCerts()})
}

func (c *Client) signerOptions(p auth.Provider) *auth.SignerOptions {
	o := c.signing
	o.Provider = p
	o.NewTransport = c.newTokenTransport
	o.Proxy = c.hosts.proxy
	o.AllowPlaintext = func(host string) bool { return c.hosts.lookup(host).config.PlaintextCredentials }
	o.UserAgent = c.userAgent
	o.Logger = c.log
	return &o
}

func (c *Client) newTokenTransport(control dialControl) http.RoundTripper {
	return c.loggedQuietly(tokenTransport{c.hosts.controlledAs(control, tokenServer)})
}

// tokenServer is how a token server is reached: one that no caller has named
// has its certificate verified, unless it was itself named where that is
// switched off.
func tokenServer(e hostEntry) HostConfig {
	c := e.config
	if e.stranger && c.TLS != nil && c.TLS.AnyHost && c.TLS.InsecureSkipVerify {
		t := *c.TLS
		t.InsecureSkipVerify = false
		c.TLS = &t
	}
	return c
}

// tokenTransport marks what it sends as requests for tokens, see gate.
type tokenTransport struct{ next http.RoundTripper }

// CloseIdleConnections ends the connections of a signer that was made for one
// use.
func (t tokenTransport) CloseIdleConnections() { closeIdle(t.next) }

func closeIdle(t http.RoundTripper) {
	if c, ok := t.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	return t.next.RoundTrip(req.WithContext(forToken(req.Context())))
}

// With returns a client with another identity that shares connections and
// host configuration with c, and no token. A nil provider is anonymous. A
// cache.Store is for one identity: open another one, with a partition of its
// own, for each.
func (c *Client) With(credentials auth.Provider) *Client {
	other := *c
	other.signer, other.credentials = c.signer.With(credentials), credentials
	other.known = newExperience()
	return &other
}

// Repository returns the repository that ref names; its tag and digest are
// not looked at. No request is made. The error matches ErrInvalidReference
// for a reference that was not parsed, ErrBlocked for one that the host's
// Rewrites close, or is the host configuration's.
func (c *Client) Repository(ref Reference) (*Repository, error) {
	if _, err := ParseReference(ref.Name()); err != nil {
		return nil, err
	}
	route, err := c.route(ref.Repo())
	if err != nil {
		return nil, WrapError("configure", ref.Repo(), err)
	}
	r := &Repository{client: c, ref: ref.Repo(), route: route}
	r.connect()
	return r, nil
}

// Docker Hub is one registry with several names; its API answers at one.
const (
	hubHost    = "docker.io"
	hubAPIHost = "registry-1.docker.io"
)

func apiHost(host string) string {
	if host == hubHost || host == "index.docker.io" {
		return hubAPIHost
	}
	return host
}

// configName is the name under which users configure a dialled host.
func configName(host string) string {
	if host == hubAPIHost {
		return hubHost
	}
	return host
}
