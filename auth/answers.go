package auth

import (
	"context"
	"sync"
	"time"
)

const (
	// defaultTTL is how long a credential whose end is not known is trusted.
	// Helpers do not say when what they hand out expires, and the shortest in
	// the field lives five minutes (workload identity tokens of Google's
	// Artifact Registry).
	defaultTTL = 4*time.Minute + 50*time.Second
	// defaultNegativeTTL is how long a source is believed that it has nothing:
	// short enough for somebody who logs in because he was told to, long enough
	// that a loop of failures does not run a helper each time.
	defaultNegativeTTL = 10 * time.Second
	// maxAnswers bounds the remembered answers; beyond it they are all forgotten.
	maxAnswers = 1024
)

// answers remembers what a provider said about each resource, and lets one
// caller ask what many want to know.
type answers struct {
	provider      Provider
	ttl, negative time.Duration
	now           func() time.Time
	learned       func(context.Context, Resource, *answer) // what else to do with a new answer; may be nil

	mu      sync.Mutex
	kept    map[Resource]*answer
	flights flights[Resource, *answer]
}

// answer is what the provider said about a resource: a credential, or why
// there is none.
type answer struct {
	credential Credential
	who        fingerprint // of the credential; a signer's answers have it
	err        error
	causes     []error   // of err, besides that there is none
	asked      time.Time // before the provider was
	until      time.Time // from here on it is asked again
}

// get gives the answer for r: the one that is kept, if it still holds and
// fresh, which may be nil, agrees; else a new one. The error is the context's.
func (a *answers) get(ctx context.Context, r Resource, fresh func(*answer) bool) (*answer, error) {
	r = r.canonical()
	for {
		kept := a.find(r)
		good := kept != nil && (fresh == nil || fresh(kept))
		if good && a.now().Before(kept.until) {
			return kept, nil
		}
		asked := false
		found, err := a.flights.do(ctx, r, func(ctx context.Context) (*answer, error) {
			// Another flight may have landed between the look and the take-off.
			if now := a.find(r); now != nil && now != kept && (fresh == nil || fresh(now)) && a.now().Before(now.until) {
				return now, nil
			}
			asked = true
			return a.ask(ctx, r, kept, good)
		})
		// Somebody else's question may be older than what fresh wants.
		if err != nil || asked || fresh == nil || fresh(found) {
			return found, err
		}
	}
}

func (a *answers) find(r Resource) *answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.kept[r]
}

// ask asks the provider, and past what that has kept itself where the last
// answer is not good any more. A source that fails now leaves a good answer in
// place: it is asked again soon, and the registry has the last word.
func (a *answers) ask(ctx context.Context, r Resource, last *answer, good bool) (*answer, error) {
	found := &answer{asked: a.now()}
	if last != nil && !good && !last.credential.IsZero() {
		found.credential, found.err = renew(ctx, a.provider, r, last.credential)
	} else {
		found.credential, found.err = a.provider.Credential(ctx, r)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if found.err != nil {
		found.credential, found.causes = Credential{}, causesOf(found.err)
	}
	if a.learned != nil {
		a.learned(ctx, r, found)
	}
	switch {
	case found.err == nil:
		found.until = found.asked.Add(a.lifetime(found))
	case good && len(found.causes) > 0 && last.outlives(found.asked):
		again := *last
		again.until = found.asked.Add(defaultNegativeTTL)
		found = &again
	default:
		found.until = found.asked.Add(a.negative)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept == nil || len(a.kept) >= maxAnswers {
		a.kept = make(map[Resource]*answer)
	}
	a.kept[r] = found
	return found, nil
}

// lifetime ends a little before the credential does, so that what is sent with
// it arrives in time.
func (a *answers) lifetime(found *answer) time.Duration {
	expires := found.credential.Expires
	if expires.IsZero() {
		return a.ttl
	}
	left := expires.Sub(found.asked)
	return min(a.ttl, left-min(30*time.Second, left/5))
}

// outlives tells whether the answer is a credential that has not ended at t.
func (a *answer) outlives(t time.Time) bool {
	return a.err == nil && !a.credential.IsZero() && (a.credential.Expires.IsZero() || t.Before(a.credential.Expires))
}
