package cache

import "time"

// Origin tells where an answer or content came from.
type Origin string

const (
	// FromNetwork: the source was asked.
	FromNetwork Origin = "network"
	// FromCache: the cache answered alone.
	FromCache Origin = "cache"
)

// Policy tells a [Source] when to ask its registry. The zero Policy confirms
// every tag, each time, with one request. Digests need no confirmation: what
// is here by digest is served without a request under every policy.
type Policy struct {
	// MaxAge is for how long a tag's last confirmation is trusted, whoever in
	// whichever process made it. Zero, and less: confirm every time. A
	// confirmation that lies in the future, by a clock gone wrong, is not
	// trusted.
	MaxAge time.Duration
	// Offline makes the cache answer alone, however old its answers are. What
	// it lacks matches registry.ErrNotFound.
	Offline bool
}

// fresh tells whether a tag that was confirmed then needs no request now.
func (p Policy) fresh(confirmed, now time.Time) bool {
	age := now.Sub(confirmed)
	return p.Offline || age >= 0 && age < p.MaxAge
}
