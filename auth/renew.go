package auth

import "context"

// Renewer is a Provider that keeps what it has found, such as one of Cached,
// a plugin with a cache of its own, or a chain that such a one is part of.
type Renewer interface {
	Provider
	// Renew is Credential for a caller whose registry has just rejected a
	// credential: an answer that the provider has kept and that proves the
	// same as rejected does not count, and its source is asked again.
	Renew(ctx context.Context, r Resource, rejected Credential) (Credential, error)
}

// renew asks p anew, and past what p has kept where p keeps something.
func renew(ctx context.Context, p Provider, r Resource, rejected Credential) (Credential, error) {
	if k, ok := p.(Renewer); ok {
		return k.Renew(ctx, r, rejected)
	}
	return p.Credential(ctx, r)
}
