package registry

import (
	"cmp"
	"fmt"
	"time"
)

// Fact is one thing about a registry, and how it came to be known. Its zero
// value, with Source empty, says that nobody has looked.
type Fact[T any] struct {
	// Value is what is known. That nothing is, is a value too: Unknown, zero or
	// nil.
	Value T `json:"value"`
	// Source is where it comes from.
	Source FactSource `json:"source"`
	// Requests is what it cost when it was found out. What is learned from
	// answers to other requests costs none.
	Requests int `json:"requests"`

	until time.Time // it is not asked again before
	about string    // the repository that could not tell; empty: it holds for the host
}

// FactSource says how a fact came to be known.
type FactSource string

// The sources. In JSON and as text, SourceNone is "none".
const (
	SourceNone    FactSource = ""        // it is not known
	SourceProbe   FactSource = "probe"   // the registry was asked for it
	SourceLearned FactSource = "learned" // the answer to a request that was made for something else showed it
	SourceKnown   FactSource = "known"   // this kind of registry does so, by its documentation
)

// Support says whether a registry does something.
type Support string

// In JSON and as text, Unknown is "unknown".
const (
	Unknown     Support = "" // neither is proven: also what 401 and 403 leave
	Supported   Support = "yes"
	Unsupported Support = "no"
)

// CatalogAccess says what the list of a registry's repositories holds.
type CatalogAccess string

// In JSON and as text, CatalogUnknown is "unknown".
const (
	CatalogUnknown  CatalogAccess = ""
	CatalogNone     CatalogAccess = "none"       // there is no list
	CatalogAdmin    CatalogAccess = "admin-only" // there is one, and this identity may not see it
	CatalogFiltered CatalogAccess = "filtered"   // those that this identity may see
	CatalogAll      CatalogAccess = "all"        // all that there are
	CatalogListed   CatalogAccess = "listed"     // there is one; whether it is filtered is not told
)

// String prints the source as it is marshalled.
func (s FactSource) String() string { return cmp.Or(string(s), "none") }

// String prints the value as it is marshalled.
func (s Support) String() string { return cmp.Or(string(s), "unknown") }

// String prints the value as it is marshalled.
func (a CatalogAccess) String() string { return cmp.Or(string(a), "unknown") }

// MarshalText prints s.
func (s FactSource) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText prints s.
func (s Support) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText prints a.
func (a CatalogAccess) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText prints.
func (s *FactSource) UnmarshalText(text []byte) error {
	return unmarshalWord(s, text, SourceNone, SourceProbe, SourceLearned, SourceKnown)
}

// UnmarshalText reads what MarshalText prints.
func (s *Support) UnmarshalText(text []byte) error {
	return unmarshalWord(s, text, Unknown, Supported, Unsupported)
}

// UnmarshalText reads what MarshalText prints.
func (a *CatalogAccess) UnmarshalText(text []byte) error {
	return unmarshalWord(a, text, CatalogUnknown, CatalogNone, CatalogAdmin, CatalogFiltered, CatalogAll, CatalogListed)
}

func unmarshalWord[T fmt.Stringer](to *T, text []byte, all ...T) error {
	for _, value := range all {
		if value.String() == string(text) {
			*to = value
			return nil
		}
	}
	return fmt.Errorf("%.40q is none of %v", text, all)
}

// How long facts are taken for true. What a registry does not do, or has not
// shown, may be a matter of today's configuration or of a missing right.
const (
	positiveLife = 24 * time.Hour
	negativeLife = time.Hour
)

// set replaces a fact.
func (f *Fact[T]) set(now time.Time, value T, source FactSource, requests int, positive bool) {
	life := negativeLife
	if positive {
		life = positiveLife
	}
	*f = Fact[T]{Value: value, Source: source, Requests: requests, until: now.Add(life)}
}

// fresh tells whether a fact need not be asked for, for a repository.
func (f *Fact[T]) fresh(now time.Time, repository string) bool {
	return now.Before(f.until) && (f.about == "" || f.about == repository)
}

// learned sets a fact that an answer has shown, unless it is known already.
func learned[T comparable](f *Fact[T], now time.Time, value T, positive bool) {
	if f.Value != value || !now.Before(f.until) {
		f.set(now, value, SourceLearned, 0, positive)
	}
}

// learnedSupport sets whether something is done.
func learnedSupport(f *Fact[Support], now time.Time, does bool) {
	if does {
		learned(f, now, Supported, true)
	} else {
		learned(f, now, Unsupported, false)
	}
}
