package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// LoginOptions configures Login. The zero value asks over HTTPS with the
// system's roots.
type LoginOptions struct {
	// Transport sends the request to the registry; nil is an http.Transport
	// with the system's roots and the environment's proxy.
	Transport http.RoundTripper
	// PlainHTTP asks over plain HTTP. The credential goes there only where
	// Signer.AllowPlaintext says so, or to loopback.
	PlainHTTP bool
	// Signer says how token servers are asked; its Provider does not count.
	Signer SignerOptions
	// ClientCertificate says that Transport identifies this client by a
	// certificate, which may then be all that it logs in with: Login takes an
	// empty credential. It is called after the check, and tells whether the
	// registry has asked for the certificate and was shown it; where that
	// cannot be known it answers false. nil: there is no certificate.
	ClientCertificate func() bool
	// TokenUser is the user name under which the registry takes a token as a
	// password, as some document one ("oauth2accesstoken"). A secret without a
	// user name that is no identity token there is tried, and stored, as its
	// password. Empty: it is not.
	TokenUser string
	// PreferIdentityToken asks the token server for a refresh token
	// (offline_token, access_type=offline), tries it, and stores it in place of
	// the password. What does not work as one, as with some servers, is not
	// stored, and a warning says so. The user must be able to take it back at
	// the registry: it outlives the password.
	PreferIdentityToken bool
	// Sources is what the program will ask for the credential later on. Where
	// something there answers before what was stored, or nothing does, a
	// warning says so. All of its sources are asked, their helpers run. nil:
	// not looked at.
	Sources Provider
}

// LoginResult tells what Login did.
type LoginResult struct {
	Resource Resource
	// Verified tells that the registry asked for a credential and accepted
	// this one. A registry that lets everybody in proves nothing.
	Verified bool
	// Kind is what was found good: "password", "identity token", "registry
	// token", "client certificate".
	Kind     string
	Origin   Origin   // where the credential is kept now; zero: a client certificate is kept by nobody
	Warnings []string // what the user should know, one sentence each
}

// Login checks c with the registry of r and, if it is accepted, puts it into
// store. The check is a GET of /v2/; for a path the token must be for pulling
// from it as well. A secret without a user name is tried as an identity token
// and stored as one (helm#30883), then as the password of opts.TokenUser. With
// opts.ClientCertificate an empty credential is a login with the certificate
// alone: it is checked, and nothing is stored.
//
// A registry that does not ask for credentials gives Verified false and a
// warning, and c is stored. Errors: ErrUnauthorized and ErrDenied for a
// credential that is not accepted, with what to do in the *Error's Hint;
// ErrRealmRefused, ErrPlaintextRefused, an *Error for a host that answers as no
// registry does, and those of store.Put. Nothing is stored then, and nothing
// that cannot be used is ever stored.
func Login(ctx context.Context, store Store, r Resource, c Credential, opts *LoginOptions) (*LoginResult, error) {
	if opts == nil {
		opts = &LoginOptions{}
	}
	if r.Host == "" {
		return nil, errors.New("log in: no registry host")
	}
	l := &login{opts: opts, result: &LoginResult{Resource: r}}
	if c.IsZero() && opts.ClientCertificate != nil {
		return l.withCertificate(ctx)
	}
	c, err := l.check(ctx, c)
	if err != nil {
		return nil, err
	}
	if opts.PreferIdentityToken {
		if c, err = l.prefer(ctx, c); err != nil {
			return nil, err
		}
	}
	c.Origin = Origin{}
	if l.result.Origin, err = store.Put(ctx, r, c); err != nil {
		return nil, err
	}
	l.result.Kind = c.kind()
	if !l.result.Verified {
		l.warn("%s did not ask for a credential, so this one is stored unchecked", r.Host)
	}
	if f, ok := store.(*FileStore); ok {
		if w := f.plaintextWarning(l.result.Origin); w != "" {
			l.warn("%s", w)
		}
	}
	l.warnOfShadows(ctx, c)
	return l.result, nil
}

// login is one call of Login.
type login struct {
	opts    *LoginOptions
	result  *LoginResult
	offline Secret // the refresh token that the check brought
}

func (l *login) warn(format string, args ...any) {
	l.result.Warnings = append(l.result.Warnings, fmt.Sprintf(format, args...))
}

func (l *login) ask(ctx context.Context, c Credential, offline bool) error {
	p := &probe{resource: l.result.Resource, credential: c, opts: l.opts}
	p.offline.ask = offline
	wanted, err := p.ask(ctx)
	l.result.Verified, l.offline = wanted, p.offline.kept()
	return err
}

// withCertificate checks what the transport shows for itself.
func (l *login) withCertificate(ctx context.Context) (*LoginResult, error) {
	if err := l.ask(ctx, Credential{}, false); err != nil {
		return nil, advise(err, "the registry wants a user name and a secret beside the client certificate, or another certificate")
	}
	l.result.Kind, l.result.Verified = "client certificate", l.opts.ClientCertificate()
	if !l.result.Verified {
		l.warn("it is not known whether %s has asked for the client certificate: it answers without it too, or a proxy stands between", l.result.Resource.Host)
	}
	return l.result, nil
}

// check returns the form of c that the registry takes.
func (l *login) check(ctx context.Context, c Credential) (Credential, error) {
	secret := c.Password
	candidate := c.Username == "" && c.IdentityToken.IsZero() && !secret.IsZero()
	if candidate {
		// Helm and az print such tokens to be given as a password.
		c.IdentityToken, c.Password = secret, Secret{}
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("%s: %w", l.result.Resource, err)
	}
	err := l.ask(ctx, c, l.opts.PreferIdentityToken)
	switch {
	case err == nil:
		return c, nil
	case !candidate:
		return c, advise(err, adviceFor(c))
	case l.opts.TokenUser == "" || !isNoIdentityToken(err):
		return c, advise(err, "without a user name the secret was tried as an identity token; give a user name if it is a password")
	}
	c = Credential{Username: l.opts.TokenUser, Password: secret}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("%s: %w", l.result.Resource, err)
	}
	err = l.ask(ctx, c, l.opts.PreferIdentityToken)
	return c, advise(err, fmt.Sprintf("the secret was tried as an identity token, and as the password of %q; give another user name if it is a password", c.Username))
}

// isNoIdentityToken recognises the answers of a token server that does not
// exchange the token, or has no exchange, and of a registry without one.
func isNoIdentityToken(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	switch e.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound, http.StatusMethodNotAllowed:
		return e.Stage == StageToken || e.Stage == StageRegistry && errors.Is(e.Err, ErrUnauthorized)
	}
	return false
}

// prefer returns the refresh token that the check has brought, if it is good.
func (l *login) prefer(ctx context.Context, c Credential) (Credential, error) {
	if l.offline.IsZero() {
		if c.IdentityToken.IsZero() {
			l.warn("%s gives no identity token, so the %s is stored", l.result.Resource.Host, c.kind())
		}
		return c, nil
	}
	better := Credential{Username: c.Username, IdentityToken: l.offline}
	if err := l.ask(ctx, better, false); err != nil || !l.result.Verified {
		if ctx.Err() != nil {
			return c, context.Cause(ctx)
		}
		l.result.Verified = true // by the check that brought the token
		l.warn("%s gives an identity token and does not take it itself, so the %s is stored", l.result.Resource.Host, c.kind())
		return c, nil
	}
	if !l.offline.IsZero() {
		better.IdentityToken = l.offline // a server that gives each token once
	}
	return better, nil
}

// advise says what to do about a credential that is not accepted.
func advise(err error, hint string) error {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
	case errors.Is(e.Err, ErrDenied):
		e.Hint = "the account is known and may not do this: ask for access, use another account, or a token that is meant for it"
	case errors.Is(e.Err, ErrUnauthorized):
		e.Hint = hint
	}
	return err
}

func adviceFor(c Credential) string {
	switch {
	case !c.RegistryToken.IsZero():
		return "the registry token may have expired, or be for another service or part of the registry"
	case !c.IdentityToken.IsZero():
		return "the identity token may have expired or be another registry's; if it is a password, give it as one, with a user name"
	}
	return "check the user name and the secret; accounts with a second factor need a token in place of the password"
}
