package registry

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/portolan-oci/portolan/auth"
)

// identity is what is known of a host and client certificates. Safe for
// concurrent use.
type identity struct {
	asked    atomic.Bool // the host has asked for a certificate
	shown    atomic.Bool // and was shown one
	answered atomic.Bool // it has answered a request, with or without
}

// watch returns the configuration of the connections to a host, which tells
// what the host asks for. config and t may be nil.
func (i *identity) watch(config *tls.Config, t *TLS) *tls.Config {
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	config.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		i.asked.Store(true)
		if t == nil {
			return new(tls.Certificate), nil
		}
		cert, err := t.clientCertificate(request)
		if err == nil && len(cert.Certificate) > 0 {
			i.shown.Store(true)
		}
		return cert, err
	}
	return config
}

// certificateError ends a connection with a host that knows its users by their
// certificates.
type certificateError struct {
	shown bool
	guess bool // the connection just broke: another one may not
	cause error
}

func (e *certificateError) Error() string {
	if e.shown {
		return "the host does not take the client certificate: " + e.cause.Error()
	}
	return "the host asks for a client certificate, and none is configured that it would take: " + e.cause.Error()
}

func (e *certificateError) Is(target error) bool { return target == ErrUnauthorized }
func (e *certificateError) Unwrap() error        { return e.cause }

// explain finds the errors that mean a certificate. TLS 1.3 refuses one after
// the handshake: a client that still writes then sees a broken connection, and
// not always the reason (RFC 8446, section 4.4.2.4). A host that has answered
// before has another reason.
func (i *identity) explain(err error) error {
	alert, _ := errors.AsType[*net.OpError](err)
	shown, guess := i.shown.Load(), false
	switch {
	case alert != nil && alert.Op == "remote error" && strings.Contains(alert.Err.Error(), "certificate"):
	case !i.asked.Load() || i.answered.Load() || alert != nil && alert.Op == "dial":
		return err
	case !isBroken(err) && !isHTTP2Error(err) && !errors.Is(err, io.EOF) || isTimeout(err):
		return err
	default:
		guess = shown
	}
	return &certificateError{shown: shown, guess: guess, cause: err}
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// orCertificate adds to a registry's refusal what its host has asked for.
func (c *Client) orCertificate(host string, err error) error {
	e, ok := err.(*auth.Error)
	if !ok || e.Stage != auth.StageRegistry || e.StatusCode != http.StatusUnauthorized {
		return err
	}
	told := *e
	switch id := c.hosts.lookup(host).identity; {
	case !id.asked.Load():
		return err
	case !id.shown.Load():
		told.Hint = "show it a client certificate, which it asks for, or " + e.Hint
	case e.Origin == (auth.Origin{}):
		told.Hint = "it was shown a client certificate: show it another one, or " + e.Hint
	default:
		return err
	}
	return &told
}
