package auth

import (
	"context"
	"sync"
	"time"
)

// lookupTTL is how long an answer of a provider is trusted. Helpers do not say
// when what they hand out expires, and the shortest in the field lives five
// minutes (workload identity tokens of Google's Artifact Registry).
const lookupTTL = 4*time.Minute + 50*time.Second

// maxLookups bounds the remembered answers; beyond it they are all forgotten.
const maxLookups = 1024

// lookup is what the provider said about a resource: a credential, or
// anonymous with the reasons why there might be one after all.
type lookup struct {
	credential Credential
	who        fingerprint
	causes     []error
	until      time.Time
}

// lookups remembers answers, so that a helper program is not run for each
// request.
type lookups struct {
	mu      sync.Mutex
	kept    map[Resource]*lookup
	flights flights[Resource, *lookup]
}

// lookup asks the provider, unless its last answer still holds and is not
// stale, the one that the registry has just rejected: a login in another
// process is seen that way.
func (s *Signer) lookup(ctx context.Context, r Resource, stale *lookup) (*lookup, error) {
	r = r.canonical()
	l := s.lookups
	l.mu.Lock()
	kept := l.kept[r]
	l.mu.Unlock()
	if kept != nil && kept != stale && s.now().Before(kept.until) {
		return kept, nil
	}
	return l.flights.do(ctx, r, func(ctx context.Context) (*lookup, error) {
		found, err := s.ask(ctx, r)
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.kept == nil || len(l.kept) >= maxLookups {
			l.kept = make(map[Resource]*lookup)
		}
		l.kept[r] = found
		return found, nil
	})
}

func (s *Signer) ask(ctx context.Context, r Resource) (*lookup, error) {
	found := &lookup{until: s.now().Add(lookupTTL)}
	if s.opts.Provider == nil {
		return found, nil
	}
	c, err := s.opts.Provider.Credential(ctx, r)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		found.causes = causesOf(err)
		if len(found.causes) > 0 {
			s.log.DebugContext(ctx, "credential look-up", "resource", r.String(), "causes", joinErrors(found.causes))
		}
		return found, nil
	}
	found.credential, found.who = c, s.fingerprint(c)
	if !c.Expires.IsZero() && c.Expires.Before(found.until) {
		found.until = c.Expires
	}
	return found, nil
}
