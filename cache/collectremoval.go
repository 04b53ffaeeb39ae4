package cache

import (
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/registry"
)

// RemovalKind tells what a collection removes.
type RemovalKind string

const (
	// RemovedContent is a manifest or a blob.
	RemovedContent RemovalKind = "content"
	// RemovedReference is what a tag named.
	RemovedReference RemovalKind = "reference"
	// RemovedNote is a list of tags or referrers, or that something was absent.
	RemovedNote RemovalKind = "note"
	// RemovedLitter is what a process that was killed has left behind.
	RemovedLitter RemovalKind = "litter"
)

// RemovalReason tells why a collection removes something.
type RemovalReason string

const (
	// ReasonUnused: nobody has used it for longer than Limits.MaxAge.
	ReasonUnused RemovalReason = "unused"
	// ReasonSize: there is more than Limits.MaxSize, and it was used longest ago.
	ReasonSize RemovalReason = "size"
	// ReasonFree: less than Limits.MinFree is free, and it was used longest ago.
	ReasonFree RemovalReason = "free space"
	// ReasonUnknown: no partition knows the content, so none can be given it.
	ReasonUnknown RemovalReason = "unknown"
	// ReasonGone: the content that it is about is not here.
	ReasonGone RemovalReason = "content gone"
	// ReasonExpired: it answers for a minute at most, and is older.
	ReasonExpired RemovalReason = "expired"
	// ReasonAbandoned: nobody goes on with it.
	ReasonAbandoned RemovalReason = "abandoned"
)

// Removal is one thing that a collection removes, or would.
type Removal struct {
	Kind RemovalKind
	// Digest of the content, and of the manifest that a reference named; empty
	// of notes and litter.
	Digest digest.Digest
	// Reference has a tag; zero of all other kinds.
	Reference registry.Reference
	// Path of the file, absolute.
	Path string
	// Size of the file in bytes.
	Size int64
	// LastUsed is when content was last used, to the hour, and when anything
	// else was written.
	LastUsed time.Time
	Reason   RemovalReason
}
