package auth

import (
	"context"
	"os"
)

// defaultPrefix begins the names of our environment variables.
const defaultPrefix = "PORTOLAN"

// FromEnvironment reads one credential from variables that begin with prefix
// and an underscore; an empty prefix is PORTOLAN. PREFIX_REGISTRY is the host,
// or host/path, that it is for, in the form that ParseResource reads; it covers
// what lies below. PREFIX_USERNAME and PREFIX_PASSWORD, PREFIX_IDENTITY_TOKEN
// and PREFIX_REGISTRY_TOKEN are what a Credential has. An empty variable is one
// that is not set. They are read at each look-up.
//
// A credential is never for any host: one without PREFIX_REGISTRY is
// ErrConfigInvalid, and so is what cannot be used, such as a password without a
// user name. Every other error is ErrNoCredential. No value is ever repeated in
// an error.
func FromEnvironment(prefix string) Provider {
	if prefix == "" {
		prefix = defaultPrefix
	}
	return environment{prefix + "_"}
}

type environment struct{ prefix string }

// Credential implements Provider.
func (e environment) Credential(_ context.Context, r Resource) (Credential, error) {
	c, bound, err := e.read()
	switch {
	case err != nil:
		return Credential{}, err
	case c.IsZero() || !bound.covers(r):
		return Credential{}, ErrNoCredential
	}
	if err := c.check(); err != nil {
		return Credential{}, invalidVariable(c.Origin, "the variables beside it are no credential", err)
	}
	return c, nil
}

// Explain implements Explainer.
func (e environment) Explain(ctx context.Context, r Resource) []Finding {
	c, err := e.Credential(ctx, r)
	f := finding(Origin{Kind: "environment", Location: e.prefix + "REGISTRY"}, c, err)
	if f.Outcome != OutcomeNone {
		return []Finding{f}
	}
	held, bound, _ := e.read()
	switch {
	case bound == (Resource{}):
		f.Reason = "it is not set"
	case held.IsZero():
		f.Reason = "it is set, but no credential is"
	default:
		f.Reason = "its credential is for " + bound.String()
	}
	return []Finding{f}
}

// read returns what is set, which may be nothing, and what it is for.
func (e environment) read() (Credential, Resource, error) {
	c := Credential{
		Username:      os.Getenv(e.prefix + "USERNAME"),
		Password:      NewSecret(os.Getenv(e.prefix + "PASSWORD")),
		IdentityToken: NewSecret(os.Getenv(e.prefix + "IDENTITY_TOKEN")),
		RegistryToken: NewSecret(os.Getenv(e.prefix + "REGISTRY_TOKEN")),
		Origin:        Origin{Kind: "environment", Location: e.prefix + "REGISTRY"},
	}
	host := os.Getenv(e.prefix + "REGISTRY")
	if host == "" {
		if c.IsZero() {
			return Credential{}, Resource{}, nil
		}
		return Credential{}, Resource{}, invalidVariable(c.Origin, "it is not set; it binds the credential beside it to a host, or to host/path", nil)
	}
	bound, err := ParseResource(host)
	if err != nil {
		return Credential{}, Resource{}, invalidVariable(c.Origin, "it is not of the form host[:port][/path]", nil)
	}
	c.Origin.Key = bound.String()
	return c, bound, nil
}

// invalidVariable is ErrConfigInvalid for a variable, which no login mends.
func invalidVariable(at Origin, message string, cause error) error {
	e := &Error{Stage: StageConfig, Origin: at, Message: message, Err: ErrConfigInvalid}
	if cause != nil {
		e.Causes = []error{cause}
	}
	return e
}
