package cache

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/internal/redact"
	"github.com/portolan-oci/portolan/registry"
)

// What a Missing can be, beside the media type of content.
const (
	// MissingReference: nothing is known of the reference itself.
	MissingReference = "reference"
	// MissingManifest: an image manifest or an index.
	MissingManifest = "manifest"
	// MissingReferrers: the list of what refers to the manifest.
	MissingReferrers = "list of referrers"
)

// Missing is one thing that was wanted and could not be had.
type Missing struct {
	// Reference is what was asked for, and of which this is a part.
	Reference registry.Reference `json:"reference"`
	// Digest is that of the content, or of the manifest whose referrers are not
	// known. Empty for MissingReference.
	Digest digest.Digest `json:"digest,omitempty"`
	// What is MissingReference, MissingManifest, MissingReferrers, or the media
	// type of a blob, which a stranger wrote; "content" where he wrote none.
	What string `json:"what"`
	// Hint is what is known beyond that, say why; it may be empty.
	Hint string `json:"hint,omitempty"`
}

// String names it in full.
func (m Missing) String() string {
	text := m.Reference.String()
	if m.What != MissingReference {
		text += ": " + redact.Text(m.What, maxShown)
	}
	if m.Digest != "" && m.Digest != m.Reference.Digest {
		text += " " + redact.Text(m.Digest.String(), maxShown)
	}
	if m.Hint != "" {
		text += " (" + redact.Text(m.Hint, maxShown) + ")"
	}
	return strings.TrimPrefix(text, ": ")
}

// maxShown bounds what an error repeats of what strangers wrote.
const maxShown = 256

// IncompleteError names everything that was missing, not just the first. It
// matches registry.ErrNotFound, and ErrNotCached where the policy was offline, or
// there was no source to ask, for any of it.
type IncompleteError struct {
	Op      string // complete, export or import
	Missing []Missing

	offline bool
}

// maxNamed bounds what the text of an error names: a bundle of a hostile hand
// may lack as much as it likes.
const maxNamed = 1000

// Error names all of it on one line, or the first 1000 and how many more.
func (e *IncompleteError) Error() string {
	all := make([]string, min(len(e.Missing), maxNamed))
	for i := range all {
		all[i] = e.Missing[i].String()
	}
	if more := len(e.Missing) - len(all); more > 0 {
		all = append(all, fmt.Sprintf("and %d more", more))
	}
	text := e.Op + ": missing"
	if len(e.Missing) != 1 {
		text = fmt.Sprintf("%s: %d are missing", e.Op, len(e.Missing))
	}
	where, advice := "", ""
	if e.offline { // nobody else was asked, and it may well be there
		where, advice = " in the cache, which was asked offline", "; do the same once with the registry in reach"
	}
	return text + where + ": " + strings.Join(all, "; ") + advice
}

// Unwrap makes it match registry.ErrNotFound, and ErrNotCached offline.
func (e *IncompleteError) Unwrap() []error {
	if e.offline {
		return []error{registry.ErrNotFound, ErrNotCached}
	}
	return []error{registry.ErrNotFound}
}

func kindOf(mediaType string) string {
	if ocijson.IsManifest(mediaType) {
		return MissingManifest
	}
	if mediaType == "" {
		return "content"
	}
	return mediaType
}
