package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/portolan-oci/portolan/auth"
)

// LoginOptions configure one login. The zero value is that of Login.
type LoginOptions struct {
	// TokenUser and PreferIdentityToken are those of auth.LoginOptions.
	TokenUser           string
	PreferIdentityToken bool
}

// Login checks credentials against the registry, in its host configuration,
// and keeps them in store when they are good. host may be written with
// "https://" or "oci://" and, for a login to a part of it, with a path. See
// auth.Login for what it answers; the result warns where this client's own
// credentials would answer with something else than what was stored. It asks
// once, and again, as Retry says, only where the connection breaks right after
// a client certificate was shown.
//
// An empty credential is a login with the host's client certificate alone, if
// one is configured: it is checked, and nothing is stored. Where a Rewrite of
// the host moves it, or the path, the login is for the place that it is moved
// to, which is where requests go; a warning says so.
//
// Errors are an *Error: ErrUnauthorized, ErrDenied, ErrBlocked; ErrUnavailable
// for a host that cannot be reached, or answers as no registry does;
// ErrInvalidReference for "https://" before a host that is spoken to in plain
// HTTP. They match auth's own as well.
func (c *Client) Login(ctx context.Context, store auth.Store, host string, credential auth.Credential) (*auth.LoginResult, error) {
	return c.LoginWith(ctx, store, host, credential, LoginOptions{})
}

// LoginWith is Login with options.
func (c *Client) LoginWith(ctx context.Context, store auth.Store, host string, credential auth.Credential, options LoginOptions) (*auth.LoginResult, error) {
	asked, err := auth.ParseResource(host)
	if err != nil {
		return nil, err
	}
	resource, err := c.loginPlace(asked)
	if err != nil {
		return nil, WrapError("log in", Reference{}, err)
	}
	entry := c.hosts.named(apiHost(resource.Host))
	if entry.err != nil {
		return nil, entry.err
	}
	plain := entry.config.plainHTTP(resource.Host)
	if plain && resource == asked && strings.HasPrefix(host, "https://") {
		return nil, &Error{Op: "log in", Kind: ErrInvalidReference, Err: fmt.Errorf("%s: this host is spoken to in plain HTTP", host),
			Hint: "leave https:// out, or configure TLS for the host"}
	}
	done, err := c.tryLogin(ctx, store, resource, credential, &auth.LoginOptions{
		Transport:           c.logged(c.hosts),
		PlainHTTP:           plain,
		Signer:              *c.signerOptions(nil),
		ClientCertificate:   c.certificateOf(entry),
		TokenUser:           options.TokenUser,
		PreferIdentityToken: options.PreferIdentityToken,
		Sources:             c.credentials,
	})
	wrapped := WrapError("log in", Reference{}, c.orCertificate(apiHost(resource.Host), err))
	if e, ok := errors.AsType[*Error](wrapped); ok && ctx.Err() == nil && noRegistry(err) {
		e.Kind = ErrUnavailable // it is a login's: nothing, or something else than a registry, answered
	}
	if err == nil && resource != asked {
		done.Warnings = append(done.Warnings, fmt.Sprintf("%s is served at %s, as hosts are configured: the login is for that", asked, resource))
	}
	return done, wrapped
}

// tryLogin is auth.Login, tried again as Retry says where the connection broke
// right after the certificate was shown: only the next one tells whether that
// was its refusal. Nothing is stored before.
func (c *Client) tryLogin(ctx context.Context, store auth.Store, r auth.Resource, credential auth.Credential, options *auth.LoginOptions) (*auth.LoginResult, error) {
	for tries := c.newAttempts(); ; {
		done, err := auth.Login(ctx, store, r, credential, options)
		if e, ok := errors.AsType[*certificateError](err); !ok || !e.guess {
			return done, err
		}
		if err := tries.again(ctx, err); err != nil {
			return nil, err
		}
	}
}

// HasCertificate tells whether a client certificate is configured for a host,
// written as for Login, which is then possible with an empty credential. A host
// that is none, or whose configuration is invalid, has none.
func (c *Client) HasCertificate(host string) bool {
	asked, err := auth.ParseResource(host)
	if err != nil {
		return false
	}
	resource, err := c.loginPlace(asked)
	if err != nil {
		return false
	}
	t := c.hosts.named(apiHost(resource.Host)).config.TLS
	return t != nil && len(t.Certificates)+len(t.pairs) > 0
}

// ExplainCredentials tells what each source of this client's credentials has
// for a host or a part of it, written as for Login: see auth.Explain. The
// resource is the place where requests go, which Rewrites may have moved. The
// error is that of a host that is none, ErrBlocked, the host configuration's,
// or the context's.
func (c *Client) ExplainCredentials(ctx context.Context, host string) (auth.Resource, []auth.Finding, error) {
	asked, err := auth.ParseResource(host)
	if err != nil {
		return asked, nil, err
	}
	resource, err := c.loginPlace(asked)
	if err != nil {
		return asked, nil, WrapError("explain", Reference{}, err)
	}
	findings, err := auth.Explain(ctx, c.credentials, resource)
	return resource, findings, err
}

// loginPlace is where requests for a host, or for a part of it, are sent and
// whose credential they carry.
func (c *Client) loginPlace(asked auth.Resource) (auth.Resource, error) {
	entry := c.hosts.named(apiHost(asked.Host))
	rule, ok := entry.config.rewrite(asked.Path)
	switch {
	case entry.err != nil:
		return auth.Resource{}, entry.err
	case !ok:
		return asked, nil
	case rule.Blocked != "":
		return auth.Resource{}, &sentinel{rule.Blocked, []error{ErrBlocked}}
	}
	host, path, problem := cutLocation(rule.Location)
	if problem != "" {
		return auth.Resource{}, fmt.Errorf("rewrite to %.300q: %s", rule.Location, problem)
	}
	if asked.Path == "" {
		path = "" // the whole of a host is logged in to at the whole of another
	} else {
		path = below(path, strings.TrimPrefix(strings.TrimPrefix(asked.Path, rule.Prefix), "/"))
	}
	return auth.ParseResource(strings.TrimSuffix(host+"/"+path, "/"))
}

// certificateOf tells auth.Login of the certificate that is configured for a
// host, or that a transport of the caller's may have.
func (c *Client) certificateOf(entry hostEntry) func() bool {
	t := entry.config.TLS
	switch {
	case c.hosts.base != nil:
		return func() bool { return false }
	case t == nil || len(t.Certificates)+len(t.pairs) == 0:
		return nil
	}
	return entry.identity.shown.Load
}

// noRegistry tells that a login has not come as far as to a verdict: the host
// cannot be reached, or what it says is no answer of a registry.
func noRegistry(err error) bool {
	e, ok := errors.AsType[*auth.Error](err)
	switch {
	case !ok, e.Err != nil, e.Stage == auth.StageConfig, e.Stage == auth.StageHelper:
		return false
	}
	return e.StatusCode != http.StatusTooManyRequests && kindOf(err) == nil
}
