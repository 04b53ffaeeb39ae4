package auth

import (
	"cmp"
	"context"
	"errors"
	"strings"
)

// Provider finds credentials. Implementations are safe for concurrent use and
// obey the context.
type Provider interface {
	// Credential returns the credential for r. An error that matches
	// ErrNoCredential means that this provider has none; any other error is a
	// failure, which does not end an operation that works without a
	// credential but is shown when the registry insists on one. A zero
	// Credential without an error means anonymous on purpose.
	Credential(ctx context.Context, r Resource) (Credential, error)
}

// ProviderFunc is a function as a Provider.
type ProviderFunc func(context.Context, Resource) (Credential, error)

// Credential calls f.
func (f ProviderFunc) Credential(ctx context.Context, r Resource) (Credential, error) {
	return f(ctx, r)
}

// Store is a Provider that can be changed.
type Store interface {
	Provider
	// Put keeps c for r, in place of what was kept for exactly r, and returns
	// where it is now. Nothing is changed when it fails.
	Put(ctx context.Context, r Resource, c Credential) (Origin, error)
	// Delete removes what is kept for exactly r, under every spelling of its
	// host, and returns what it removed. Nothing to remove is no error. Where
	// it fails half way, the origins tell how far it came.
	Delete(ctx context.Context, r Resource) ([]Origin, error)
	// List returns what is kept, in a fixed order. Where it fails half way,
	// the entries are those that it has found.
	List(ctx context.Context) ([]Entry, error)
}

// Chain asks the providers in order; the first that answers decides. One that
// has no credential is passed by; so is one that fails, and its error is
// remembered. When none answers, the error matches ErrNoCredential and every
// remembered error. A context that ends ends the search with its error. Nil
// providers are left out.
func Chain(providers ...Provider) Provider {
	var c chain
	for _, p := range providers {
		if p != nil {
			c = append(c, p)
		}
	}
	return c
}

type chain []Provider

func (ps chain) Credential(ctx context.Context, r Resource) (Credential, error) {
	return ps.first(ctx, func(p Provider) (Credential, error) { return p.Credential(ctx, r) })
}

// Renew implements Renewer.
func (ps chain) Renew(ctx context.Context, r Resource, rejected Credential) (Credential, error) {
	return ps.first(ctx, func(p Provider) (Credential, error) { return renew(ctx, p, r, rejected) })
}

// Explain implements Explainer.
func (ps chain) Explain(ctx context.Context, r Resource) []Finding {
	var findings []Finding
	for _, p := range ps {
		findings = append(findings, explain(ctx, p, r)...)
	}
	return findings
}

func (ps chain) first(ctx context.Context, ask func(Provider) (Credential, error)) (Credential, error) {
	var causes []error
	for _, p := range ps {
		if err := ctx.Err(); err != nil {
			return Credential{}, err
		}
		c, err := ask(p)
		if err == nil {
			return c, nil
		}
		causes = append(causes, causesOf(err)...)
	}
	if err := ctx.Err(); err != nil {
		return Credential{}, err
	}
	return Credential{}, noCredential(causes)
}

// noCredentialError is ErrNoCredential with the reasons why there might be
// one after all.
type noCredentialError struct{ causes []error }

func noCredential(causes []error) error {
	if len(causes) == 0 {
		return ErrNoCredential
	}
	return &noCredentialError{causes}
}

func (e *noCredentialError) Error() string {
	return ErrNoCredential.Error() + "; " + joinErrors(e.causes)
}

func (e *noCredentialError) Unwrap() []error { return append([]error{ErrNoCredential}, e.causes...) }

// causesOf gives what an error of a provider adds to "no credential".
func causesOf(err error) []error {
	var none *noCredentialError
	switch {
	case errors.As(err, &none):
		return none.causes
	case errors.Is(err, ErrNoCredential):
		return nil
	}
	return []error{err}
}

func joinErrors(errs []error) string {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Static answers with c for r and for what lies under r's path, and has no
// credential for anything else. Where c has no Origin, its kind is "static".
func Static(r Resource, c Credential) Provider {
	if c.Origin == (Origin{}) {
		c.Origin = Origin{Kind: "static", Key: r.String()}
	}
	return static{r, c}
}

type static struct {
	resource   Resource
	credential Credential
}

// Credential implements Provider.
func (s static) Credential(_ context.Context, asked Resource) (Credential, error) {
	if s.resource.Host == "" || !s.resource.covers(asked) {
		return Credential{}, ErrNoCredential
	}
	return s.credential, nil
}

// Explain implements Explainer.
func (s static) Explain(ctx context.Context, asked Resource) []Finding {
	c, err := s.Credential(ctx, asked)
	f := finding(Origin{Kind: s.credential.Origin.Kind, Location: s.credential.Origin.Location}, c, err)
	if f.Outcome == OutcomeNone {
		f.Reason = "its credential is for " + cmp.Or(s.resource.String(), "no host")
	}
	return []Finding{f}
}
