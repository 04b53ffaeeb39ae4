package auth

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// CacheOptions say how long Cached keeps what a provider has answered.
type CacheOptions struct {
	// TTL is the longest time that a credential is kept. 0 is 4 min 50 s.
	TTL time.Duration
	// NegativeTTL is how long it is kept that there is no credential, and that
	// the provider failed. 0 is 10 s.
	NegativeTTL time.Duration
}

// Cached keeps the answers of p, for up to 1024 resources, and lets one caller
// ask for all that want the same at the same time. A credential that says when
// it expires is asked for anew before that: when a fifth of the time that was
// left is left, at most 30 s. Where p fails then, the credential is used to
// its end. The provider that Cached returns is a Renewer and an Explainer.
//
// A Signer keeps answers itself and needs no Cached around its provider. It is
// for providers in a chain that are dear to ask, and for those that several
// signers share. Negative times are an error.
func Cached(p Provider, opts *CacheOptions) (Provider, error) {
	var o CacheOptions
	if opts != nil {
		o = *opts
	}
	switch {
	case p == nil:
		return nil, errors.New("cached credentials: no provider")
	case o.TTL < 0 || o.NegativeTTL < 0:
		return nil, errors.New("cached credentials: negative time")
	}
	return &cached{answers{
		provider: p, now: time.Now,
		ttl: cmp.Or(o.TTL, defaultTTL), negative: cmp.Or(o.NegativeTTL, defaultNegativeTTL),
	}}, nil
}

type cached struct{ answers answers }

// Credential implements Provider.
func (c *cached) Credential(ctx context.Context, r Resource) (Credential, error) {
	return c.get(ctx, r, nil)
}

// Renew implements Renewer.
func (c *cached) Renew(ctx context.Context, r Resource, rejected Credential) (Credential, error) {
	return c.get(ctx, r, func(kept *answer) bool { return kept.err != nil || !kept.credential.sameSecrets(rejected) })
}

func (c *cached) get(ctx context.Context, r Resource, fresh func(*answer) bool) (Credential, error) {
	found, err := c.answers.get(ctx, r, fresh)
	if err != nil {
		return Credential{}, err
	}
	return found.credential, found.err
}

// Explain implements Explainer. It asks the provider, whatever is kept.
func (c *cached) Explain(ctx context.Context, r Resource) []Finding {
	return explain(ctx, c.answers.provider, r)
}
