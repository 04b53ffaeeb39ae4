package registry

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// MissingError tells that a registry refused a manifest because something
// that it names is not there, whatever Exists said of it: registries collect
// garbage while they are written, answer from caches, and have copies that are
// behind. Pushing what is missing again, without asking, is what helps.
type MissingError struct {
	// Digests are what is missing, as far as the registry said. Empty: it did
	// not say. They are the registry's word: it may name anything.
	Digests []digest.Digest
	// Err is what else the registry said. May be nil.
	Err error
}

func (e *MissingError) Error() string {
	what := "something"
	if len(e.Digests) > 0 {
		what = e.Digests[0].String()
	}
	text := fmt.Sprintf("the registry misses %s that the manifest names", what)
	if len(e.Digests) > 1 {
		text += fmt.Sprintf(", and %d more", len(e.Digests)-1)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (e *MissingError) Unwrap() error { return e.Err }

// Among returns those of a manifest's children that are to be pushed again:
// the missing ones, or all where none of them is said to be.
func (e *MissingError) Among(children []ocispec.Descriptor) []ocispec.Descriptor {
	var named []ocispec.Descriptor
	for _, d := range children {
		if slices.Contains(e.Digests, d.Digest) {
			named = append(named, d)
		}
	}
	if named == nil {
		return children
	}
	return named
}

// maxMissing bounds the digests that are taken from one answer. A chart has
// three blobs; where more are missing, all are sent.
const maxMissing = 100

// digestPattern finds digests of the two algorithms of the OCI image spec,
// wherever a registry has put them: distribution gives the digest as the
// detail, others an object that holds it, others name it in the message.
var digestPattern = regexp.MustCompile(`\b(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})\b`)

// missing tells whether a manifest was refused for what it names, and what
// of that the answer says is missing.
func missing(resp *errcode.ErrorResponse) (found []digest.Digest, ok bool) {
	for _, item := range resp.Errors {
		switch item.Code {
		case errcode.ErrorCodeManifestBlobUnknown, errcode.ErrorCodeBlobUnknown:
		case errcode.ErrorCodeManifestUnknown: // one that an index names
		default:
			continue
		}
		ok = true
		detail, _ := json.Marshal(item.Detail)
		in := digestPattern.FindAllString(string(detail)+" "+item.Message, maxMissing)
		if len(in) == 0 || len(found)+len(in) > maxMissing {
			return nil, true // one that is not named may be any
		}
		for _, d := range in {
			if !slices.Contains(found, digest.Digest(d)) {
				found = append(found, digest.Digest(d))
			}
		}
	}
	return found, ok
}
