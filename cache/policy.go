package cache

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/internal/patience"
	"github.com/portolan-oci/portolan/registry"
)

// Origin tells where an answer or content came from.
type Origin string

const (
	// FromNetwork: the source was asked.
	FromNetwork Origin = "network"
	// FromCache: the cache answered alone, as its policy says.
	FromCache Origin = "cache"
	// FromStale: the source was asked and did not answer, and the cache did for
	// it, with what was true when it was last confirmed (Policy.StaleIfError).
	FromStale Origin = "stale"
)

// Forever is a MaxAge or a StaleIfError that nothing outlives.
const Forever time.Duration = math.MaxInt64

// Policy tells a [Source] when to ask its registry. The zero Policy confirms
// every tag and every list, each time, with one request. Digests need no
// confirmation: what is here by digest is served without a request under every
// policy. The first two fields are HTTP's (RFC 9111 section 5.2.1.1, RFC 5861
// section 4), in the granularity of a [time.Duration].
type Policy struct {
	// MaxAge is for how long a tag's last confirmation is trusted, whoever in
	// whichever process made it, and a list of tags or referrers since it was
	// read. Zero, and less: confirm every time. A confirmation that lies in the
	// future, by a clock gone wrong, is not trusted. That there was nothing is
	// trusted for MaxAge too, and at most for MaxAbsence; a denial never.
	MaxAge time.Duration
	// StaleIfError is how old an answer may be that is given when the registry
	// cannot: it is down or failing, answers nothing for StalePatience, or asks
	// to come back later (registry.ErrUnavailable, registry.ErrRateLimited). An
	// answer of the registry is never replaced, be it that the tag is gone, or
	// that the caller may not see it. Zero, and less: the failure is the answer.
	StaleIfError time.Duration
	// StalePatience is how long the registry may take to confirm what could be
	// given stale, retries included; of a list, for each page. Zero:
	// DefaultStalePatience.
	StalePatience time.Duration
	// Offline makes the cache answer alone, however old its answers are. What
	// it lacks matches ErrNotCached and registry.ErrNotFound.
	Offline bool
	// Moved is what to do when a tag that is a version names another manifest
	// than it did. Zero: NoteMoved.
	Moved MovedPolicy
}

// DefaultStalePatience is how long a registry is waited for when the cache
// could answer in its place.
const DefaultStalePatience = 5 * time.Second

// MovedPolicy is what to do about a version that was pushed again with other
// content. Tags that are no versions, such as latest, are meant to move.
type MovedPolicy int

const (
	// NoteMoved takes the new content; Resolution.Moved says so.
	NoteMoved MovedPolicy = iota
	// WarnMoved says so in the store's log too.
	WarnMoved
	// RefuseMoved makes it an error, a *TagMoved, each time until the tag is
	// asked for under another policy. By its new digest the content can be had
	// at any time, which does not change that.
	RefuseMoved
)

// TagMoved tells that the tag of a version names another manifest than when it
// was last confirmed. As an error, it matches registry.ErrTagMoved.
type TagMoved struct {
	// Reference has the tag.
	Reference registry.Reference `json:"reference"`
	Old       digest.Digest      `json:"old"`
	New       digest.Digest      `json:"new"`
	// Confirmed is when the registry last said that the tag names Old.
	Confirmed time.Time `json:"confirmed"`
}

// Error names both digests and what to do.
func (m *TagMoved) Error() string {
	return fmt.Sprintf("tag %s names %s now, and named %s until %s at least: to take it, pull it by its digest, or under another policy",
		m.Reference.Tag, m.New, m.Old, m.Confirmed.UTC().Format(time.RFC3339))
}

// Unwrap makes it match registry.ErrTagMoved.
func (m *TagMoved) Unwrap() error { return registry.ErrTagMoved }

// fresh tells whether what was confirmed then needs no request now.
func (p Policy) fresh(confirmed, now time.Time) bool {
	return p.Offline || within(confirmed, now, p.MaxAge)
}

// within tells whether then is no longer ago than most, and not to come.
func within(then, now time.Time, most time.Duration) bool {
	age := now.Sub(then)
	return age >= 0 && age < most
}

// bridges tells whether an answer that was confirmed then may be given in
// place of err.
func (p Policy) bridges(err error, confirmed, now time.Time) bool {
	silent := errors.Is(err, registry.ErrUnavailable) || errors.Is(err, registry.ErrRateLimited) || errors.Is(err, patience.ErrOver)
	return silent && !confirmed.IsZero() && within(confirmed, now, p.StaleIfError)
}

func (p Policy) patience() time.Duration {
	if p.StalePatience > 0 {
		return p.StalePatience
	}
	return DefaultStalePatience
}
