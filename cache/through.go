package cache

import (
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// Source is a repository read through a cache. It is a [registry.Source] with
// the roles [registry.ReferenceFetcher], [registry.TagLister] and
// [registry.ReferrerLister], whatever the source behind it has. It is safe for
// concurrent use if that is.
//
// Errors of the source behind it pass through [registry.WrapError]; those of
// the cache's directory are logged and are no errors here, [Source.Record]
// excepted.
type Source struct {
	store  *Store
	src    registry.Source // nil: none, and the policy is offline
	ref    registry.Reference
	policy Policy

	mu      sync.Mutex
	pending map[digest.Digest][]pendingTag // resolved manifests that are not here yet
}

var (
	_ registry.Source           = (*Source)(nil)
	_ registry.ReferenceFetcher = (*Source)(nil)
	_ registry.TagLister        = (*Source)(nil)
	_ registry.ReferrerLister   = (*Source)(nil)
)

// pendingTag waits for its manifest: references are written after it.
type pendingTag struct {
	tag       string
	confirmed time.Time
}

// maxPending bounds what a Source remembers of tags that were resolved and
// never fetched. A tag that is forgotten costs one more request, some day.
const maxPending = 1024

// Resolution is what a tag or a digest names.
type Resolution struct {
	// Descriptor is that of the manifest.
	Descriptor ocispec.Descriptor
	// Origin is FromNetwork when the source was asked, if only to confirm,
	// FromCache when the cache answered alone, and FromStale when it answered
	// because the source could not.
	Origin Origin
	// Fetched is when the manifest was kept here; zero: it was not yet.
	Fetched time.Time
	// Confirmed is when the registry last said so. For a digest, which needs
	// no confirmation, it is Fetched; or now, if the source was asked.
	Confirmed time.Time
	// Moved is set when the tag is a version's and named another manifest when
	// it was last confirmed. nil: it did not, or nothing is known of before.
	Moved *TagMoved
}

// Through reads the repository of ref from src, through the cache. Tag and
// digest of ref do not matter. A src of nil is never asked: the policy is
// offline then. Keep the Source for as long as you read the repository: it
// remembers what was resolved until the manifest is fetched.
func (s *Store) Through(src registry.Source, ref registry.Reference, p Policy) *Source {
	if src == nil {
		p.Offline = true
	}
	return &Source{store: s, src: src, ref: ref.Repo(), policy: p, pending: map[digest.Digest][]pendingTag{}}
}

// offline is the error of what the cache lacks and the source is not asked for.
func (s *Source) offline(op string, name registry.Reference) error {
	return &registry.Error{
		Op: op, Reference: name, Kind: registry.ErrNotFound,
		Err:  ErrNotCached,
		Hint: "fetch it once with the registry in reach",
	}
}
