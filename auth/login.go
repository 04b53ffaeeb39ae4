package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/portolan-oci/portolan/internal/redact"
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
}

// LoginResult tells what Login did.
type LoginResult struct {
	Resource Resource
	// Verified tells that the registry asked for a credential and accepted
	// this one. A registry that lets everybody in proves nothing.
	Verified bool
	Origin   Origin   // where the credential is kept now
	Warnings []string // what the user should know, one sentence each
}

// Login checks c with the registry of r and, if it is accepted, puts it into
// store. The check is a GET of /v2/; for a path the token must be for pulling
// from it as well. A secret without a user name is tried as an identity token
// and stored as one.
//
// A registry that does not ask for credentials gives Verified false and a
// warning, and c is stored. Errors: ErrUnauthorized and ErrDenied for a
// credential that is not accepted, ErrRealmRefused, ErrPlaintextRefused, an
// *Error for a host that answers as no registry does, and those of store.Put.
// Nothing is stored then, and nothing that cannot be used is ever stored.
func Login(ctx context.Context, store Store, r Resource, c Credential, opts *LoginOptions) (*LoginResult, error) {
	if opts == nil {
		opts = &LoginOptions{}
	}
	candidate := c.Username == "" && c.IdentityToken.IsZero() && !c.Password.IsZero()
	if candidate {
		// Helm and az print such tokens to be given as a password (helm#30883).
		c.IdentityToken, c.Password = c.Password, Secret{}
	}
	if r.Host == "" {
		return nil, errors.New("log in: no registry host")
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("log in to %s: %w", r, err)
	}
	verified, err := probe(ctx, r, c, opts)
	if err != nil {
		var e *Error
		switch {
		case !errors.As(err, &e) || !errors.Is(err, ErrUnauthorized) && !errors.Is(err, ErrDenied):
		case !candidate:
			e.Hint = "check the user name and the secret; accounts with a second factor need a token in place of the password"
		default:
			e.Hint = "without a user name the secret was tried as an identity token; give a user name if it is a password"
		}
		return nil, err
	}
	c.Origin = Origin{}
	result := &LoginResult{Resource: r, Verified: verified}
	if result.Origin, err = store.Put(ctx, r, c); err != nil {
		return nil, err
	}
	if !verified {
		result.Warnings = append(result.Warnings, fmt.Sprintf("%s did not ask for a credential, so this one is stored unchecked", r.Host))
	}
	if f, ok := store.(*FileStore); ok {
		if w := f.plaintextWarning(result.Origin); w != "" {
			result.Warnings = append(result.Warnings, w)
		}
	}
	return result, nil
}

// asking makes the answer of a registry that lets everybody in, and says how it
// would ask, that question: zot with a policy for anonymous users answers 200
// with a challenge, and judges a credential that it is given.
func asking(send func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		resp, err := send(req)
		if err != nil || resp.StatusCode != http.StatusOK || req.Header.Get("Authorization") != "" {
			return resp, err
		}
		if _, answerable := chooseChallenge(parseChallenges(resp.Header)); answerable {
			resp.StatusCode, resp.Status = http.StatusUnauthorized, "401 Unauthorized"
		}
		return resp, nil
	}
}

// probe asks the registry once, with a signer of its own: a login shares no
// token with anyone.
func probe(ctx context.Context, r Resource, c Credential, opts *LoginOptions) (verified bool, err error) {
	c.Origin = Origin{Kind: "this login"}
	so := opts.Signer
	so.Provider = Static(Resource{Host: r.Host}, c)
	signer, err := NewSigner(&so)
	if err != nil {
		return false, err
	}
	defer signer.closeIdle()
	transport := opts.Transport
	if transport == nil {
		own := newTokenTransport(http.ProxyFromEnvironment)(nil)
		defer own.(*http.Transport).CloseIdleConnections()
		transport = own
	}
	scheme := "https"
	if opts.PlainHTTP {
		scheme = "http"
	}
	// The slash at the end matters: OCI distribution spec 1.1, end-1.
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+r.APIHost()+"/v2/", nil)
	if err != nil {
		return false, fmt.Errorf("log in to %s: %w", r, redact.Error(err))
	}
	if so.UserAgent != "" {
		req.Header.Set("User-Agent", so.UserAgent)
	}
	hint := Hint{Resource: r}
	if r.Path != "" {
		hint.Scopes = []Scope{RepositoryScope(r.Path, "pull")}
	}
	resp, err := signer.Do(req, hint, asking(transport.RoundTrip))
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			return false, err
		}
		return false, &Error{Resource: r, Stage: StageRegistry, Message: "the registry cannot be reached", Causes: []error{redact.ErrorHiding(err, c.spellings())}}
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBody)) // lets the connection be closed in order
	if resp.StatusCode != http.StatusOK {
		hint := "check the host's name and port"
		if opts.PlainHTTP && resp.StatusCode == http.StatusBadRequest {
			hint += ", and whether it speaks TLS: it was asked in plain HTTP"
		}
		return false, &Error{
			Resource: r, Stage: StageRegistry, StatusCode: resp.StatusCode,
			Message: fmt.Sprintf("/v2/ is answered by %s, which is not how a registry answers", statusText(resp.StatusCode)),
			Hint:    hint,
		}
	}
	if mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); mediaType == "text/html" {
		return false, &Error{
			Resource: r, Stage: StageRegistry, StatusCode: resp.StatusCode,
			Message: "/v2/ is answered by an HTML page, not as a registry answers: a login page of the network, a proxy, or a wrong host name",
		}
	}
	return signer.schemes.find(newOrigin(scheme, r.APIHost()), "", false) != nil, nil
}
