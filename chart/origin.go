package chart

import (
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// Origin records where a chart came from, for whoever keeps records: what was
// asked for, what that meant, and which bytes it was. It is plain data; its
// JSON is stable.
type Origin struct {
	// Requested is the reference as it was asked for.
	Requested registry.Reference `json:"requested"`
	// Resolved is pinned by digest; its tag is the one that was chosen.
	Resolved registry.Reference `json:"resolved"`
	// How is how it was chosen: see Resolved.How.
	How string `json:"how"`
	// Index is the digest of the image index that Resolved names and that
	// Manifest was found in; empty: Resolved names the chart's manifest itself.
	Index digest.Digest `json:"index,omitempty"`
	// Manifest and Layer are the digests of the manifest and of the archive.
	Manifest digest.Digest `json:"manifest"`
	Layer    digest.Digest `json:"layer"`
	// From is where the archive came from: "network", or "cache" where no byte
	// of it was sent, though the registry may have confirmed its tag. It is
	// "stale" where the registry did not answer what the tag names, or which tags
	// there are, and the cache did in its place, whether or not the archive then
	// was sent.
	From cache.Origin `json:"from"`
	// Host is the host that sent the archive, as in references: a mirror where
	// Mirror is set, else that of Resolved, or the one that stands in its place
	// by registry.HostConfig.Rewrites. Of several that each sent a part it is
	// the last. Empty: the cache had it.
	Host   string `json:"host,omitempty"`
	Mirror bool   `json:"mirror,omitempty"`
	// TagMirror is the mirror that said what the tag names: the registry itself
	// was not asked, and may have moved it since. Empty: no mirror was.
	TagMirror string `json:"tagMirror,omitempty"`
	// Confirmed is when the registry, or TagMirror, last said that the tag names
	// the manifest; zero for a digest.
	Confirmed time.Time `json:"confirmed,omitzero"`
	// Listed is Resolved.Listed.
	Listed time.Time `json:"listed,omitzero"`
	// Moved is Resolved.Moved.
	Moved *cache.TagMoved `json:"moved,omitempty"`
	// VerifiedBy tells who vouches for the manifest, as the client's Verifier
	// answered. Empty: nobody was asked, or nobody had to vouch.
	VerifiedBy []string `json:"verifiedBy,omitempty"`
}
