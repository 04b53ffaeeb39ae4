package ecr

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go/aws-http-auth/credentials"

	"github.com/portolan-oci/portolan/auth"
)

// Every secret of a world has this word in it, and no error may.
const canary = "canary"

const (
	privateHost = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
	privateAPI  = "api.ecr.eu-west-1.amazonaws.com"
	publicAPI   = publicEndpoint
	regionalSTS = "sts.eu-west-1.amazonaws.com"
	roleARN     = "arn:aws:iam::123456789012:role/puller"
	webToken    = "canary.web.identity"
)

// world is AWS as far as a provider sees it: ECR and STS behind one TLS
// server, told apart by their host names, and the endpoints of the machine
// itself behind another. They are built from the documented protocols.
type world struct {
	t       *testing.T
	aws     *httptest.Server
	machine *httptest.Server
	env     map[string]string
	keys    credentials.Credentials // of a user, which do not end

	mu       sync.Mutex
	clock    time.Time     // of the provider
	skew     time.Duration // how far AWS's clock is ahead
	calls    []string
	sessions map[string]credentials.Credentials // of roles, by access key
	refuse   func(call string) *refusal         // a failure instead of an answer
	issued   int                                // tokens of ECR and keys of roles
	life     time.Duration                      // of a role's keys
	endsAt   func(time.Time) any                // expiresAt for a time
	session  string                             // of the metadata service; empty: none yet
	hasRole  bool                               // of the instance
	links    map[string]bool                    // link-local addresses that somebody listens at
}

// refusal is one failure. A nil *refusal is an answer.
type refusal struct {
	status int
	body   string
	header map[string]string
}

// jsonError is a failure of the AWS JSON protocol.
func jsonError(code, message string) *refusal {
	return &refusal{status: 400, body: fmt.Sprintf(`{"__type":%q,"message":%q}`, code, message)}
}

// xmlError is a failure of the AWS Query protocol.
func xmlError(status int, code, message string) *refusal {
	return &refusal{status: status, body: fmt.Sprintf(`<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error>
  <RequestId>5d5d-0000</RequestId>
</ErrorResponse>`, code, message)}
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, env: map[string]string{"HOME": t.TempDir()}, clock: time.Now().UTC().Truncate(time.Second), life: time.Hour, hasRole: true,
		keys:     credentials.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/canary/EXAMPLEKEY"},
		sessions: map[string]credentials.Credentials{}, links: map[string]bool{},
		endsAt: func(end time.Time) any { return json.Number(fmt.Sprintf("%d.123", end.Unix())) },
	}
	w.aws = httptest.NewTLSServer(http.HandlerFunc(w.serveAWS))
	t.Cleanup(w.aws.Close)
	w.machine = httptest.NewServer(http.HandlerFunc(w.serveMachine))
	t.Cleanup(w.machine.Close)
	return w
}

// transport reaches AWS.
func (w *world) transport() *http.Transport { return anyName(w.aws) }

// anyName reaches one TLS server under any name.
func anyName(server *httptest.Server) *http.Transport {
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
		TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: "example.com"},
		DisableKeepAlives: true,
	}
}

// provider is one without a cache around it, with the world's clock, and with
// nobody at the link-local addresses but for those in w.links.
func (w *world) provider(opts *Options) *provider {
	w.t.Helper()
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Transport == nil {
		o.Transport = w.transport()
	}
	p, err := newProvider(&o)
	if err != nil {
		w.t.Fatal(err)
	}
	p.now, p.getenv = w.now, func(name string) string { return w.env[name] }
	if o.MetadataTransport == nil {
		w.link(p.opts.MetadataTransport.(*http.Transport))
	}
	return p
}

func (w *world) link(over *http.Transport) {
	dial := over.DialContext
	over.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(address)
		switch {
		case w.links[host]:
			address = w.machine.Listener.Addr().String()
		case strings.HasPrefix(host, "169.254.") || strings.HasPrefix(host, "fd00:"):
			return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("no route to host")}
		}
		return dial(ctx, network, address)
	}
}

// open is New in the environment of the world, which becomes the process's.
func (w *world) open() auth.Provider {
	w.t.Helper()
	for _, line := range os.Environ() {
		if name, _, _ := strings.Cut(line, "="); strings.HasPrefix(name, "AWS_") {
			w.t.Setenv(name, "")
		}
	}
	w.t.Setenv("USERPROFILE", w.env["HOME"])
	for name, value := range w.env {
		w.t.Setenv(name, value)
	}
	p, err := New(&Options{Transport: w.transport()})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

func (w *world) useKeys() {
	w.env["AWS_ACCESS_KEY_ID"], w.env["AWS_SECRET_ACCESS_KEY"] = w.keys.AccessKeyID, w.keys.SecretAccessKey
}

func (w *world) useWebIdentity() {
	w.env["AWS_WEB_IDENTITY_TOKEN_FILE"], w.env["AWS_ROLE_ARN"] = w.write("token", webToken+"\n"), roleARN
}

// write puts a file beneath the home directory.
func (w *world) write(name, content string) string {
	w.t.Helper()
	path := filepath.Join(w.env["HOME"], name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// ask looks host up. Its error, whatever it is, holds no secret.
func (w *world) ask(p auth.Provider, host string) (auth.Credential, error) {
	w.t.Helper()
	c, err := p.Credential(w.t.Context(), auth.Resource{Host: host})
	w.wantNoSecret(err)
	w.wantNoSecret(c)
	return c, err
}

func (w *world) wantNoSecret(v any) {
	w.t.Helper()
	text, _ := json.Marshal(v)
	for _, s := range []string{fmt.Sprintf("%v %+v %#v", v, v, v), string(text)} {
		if strings.Contains(s, canary) {
			w.t.Errorf("a secret is in %s", s)
		}
	}
	err, _ := v.(error)
	if e, ok := errors.AsType[*auth.Error](err); ok {
		for _, cause := range e.Causes {
			w.wantNoSecret(cause)
		}
	}
}

// wantCalls compares the requests since the last look with the ones wanted.
func (w *world) wantCalls(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.calls, want) {
		w.t.Errorf("requests:\n\t%s\nwant:\n\t%s", strings.Join(w.calls, "\n\t"), strings.Join(want, "\n\t"))
	}
	w.calls = nil
}
