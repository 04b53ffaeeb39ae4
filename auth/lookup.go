package auth

import (
	"context"
	"time"
)

// lookup is what the provider of a signer said about a resource: a credential,
// or anonymous with the reasons why there might be one after all.
type lookup = answer

func (s *Signer) newLookups() *answers {
	p := s.opts.Provider
	if p == nil {
		p = Chain()
	}
	// Somebody without a credential is asked for one when the registry wants
	// it: until then there is no hurry to look again.
	return &answers{provider: p, ttl: defaultTTL, negative: defaultTTL, now: func() time.Time { return s.now() }, learned: s.learned}
}

func (s *Signer) learned(ctx context.Context, r Resource, found *answer) {
	found.who = s.fingerprint(found.credential)
	if len(found.causes) > 0 {
		s.log.DebugContext(ctx, "credential look-up", "resource", r.String(), "causes", joinErrors(found.causes))
	}
}

// lookup asks the provider, so that a helper program is not run for each
// request, unless its last answer still holds.
func (s *Signer) lookup(ctx context.Context, r Resource) (*lookup, error) {
	return s.lookups.get(ctx, r, nil)
}

// lookupAgain is lookup for an answer to a challenge. What the registry has
// just rejected does not count, and that there is none holds for a moment only:
// a login in another process is seen that way.
func (s *Signer) lookupAgain(ctx context.Context, r Resource, rejected *lookup) (*lookup, error) {
	began := s.now()
	return s.lookups.get(ctx, r, func(kept *lookup) bool {
		return kept != rejected && (!kept.credential.IsZero() || kept.asked.Add(defaultNegativeTTL).After(began))
	})
}
