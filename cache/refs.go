package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// record is the file of one tag: what it named, and when. It has the whole
// reference too: a file under a wrong name, or two tags under one, shall be a
// miss and never another's answer. Pins, and what holds an import, are records
// too: see Store.Pin and held.go.
type record struct {
	Reference registry.Reference `json:"reference"`
	MediaType string             `json:"mediaType"`
	Digest    digest.Digest      `json:"digest"`
	Size      int64              `json:"size"`
	Fetched   time.Time          `json:"fetched"`
	Confirmed time.Time          `json:"confirmed,omitzero"`
	// Subject is what the manifest refers to, of one that is held for its sake.
	Subject digest.Digest `json:"subject,omitempty"`
}

// maxRecord bounds a record's file: a reference (255 + 128 bytes), a media
// type (255), a digest (135), two times and the keys need about 1 KiB.
const maxRecord = 16 << 10

func newRecord(ref registry.Reference, desc ocispec.Descriptor, fetched, confirmed time.Time) record {
	return record{
		Reference: ref, MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size,
		Fetched: fetched.UTC(), Confirmed: confirmed.UTC(),
	}
}

// check tells what is wrong with a record that was read.
func (r record) check() error {
	byDigest := r.Reference.Tag == "" && r.Reference.Digest == r.Digest
	if (r.Reference.Tag == "" || r.Reference.Digest != "") && !byDigest {
		return fmt.Errorf("%q is neither a tag's nor its digest's", r.Reference)
	}
	return checkDescriptor(r.descriptor())
}

func (r record) descriptor() ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: r.MediaType, Digest: r.Digest, Size: r.Size}
}

// refPath wants a reference with a valid tag.
func (s *Store) refPath(ref registry.Reference) string {
	return s.part("refs", hashName(ref.Name()), escapeTag(ref.Tag))
}

// readRef returns what the tag of ref last named, if that manifest is here: a
// record without its manifest is a miss, which heals it.
func (s *Store) readRef(ref registry.Reference) (record, bool) {
	r, ok := s.lastRef(ref)
	return r, ok && s.has(r.descriptor())
}

// lastRef returns what the tag of ref last named, be it here or not: what was
// carried here, where nothing newer is known.
func (s *Store) lastRef(ref registry.Reference) (record, bool) {
	for _, path := range []string{s.refPath(ref), s.heldPath(ref)} {
		r, ok := s.readRecord(path)
		if ok && r.Reference == ref {
			return r, true
		}
		if ok {
			s.log.Warn("file in the cache is another reference's", "want", ref, "got", r.Reference)
		}
	}
	return record{}, false
}

func (s *Store) readRecord(path string) (record, bool) {
	var r record
	_, ok := s.readSealed(path, maxRecord, &r)
	return r, ok
}

// eachRecord calls fn with the records in dir. Temporary files are none of
// them; a record under another name than where gives it is bad. A directory
// that is missing has none. An error of fn ends it and is returned.
func (s *Store) eachRecord(ctx context.Context, dir string, where func(registry.Reference) string, fn func(record) error) error {
	if s.dir == "" {
		return nil
	}
	return eachFile(ctx, dir, func(file fs.DirEntry) error {
		path := filepath.Join(dir, file.Name())
		if strings.HasPrefix(file.Name(), ".") || file.IsDir() {
			return nil
		}
		var r record
		if _, err := s.loadSealed(path, maxRecord, &r); err != nil {
			if errors.Is(err, errBadFile) { // a stranger's, maybe: who looks for this very name removes it
				s.log.Warn("bad file in the cache", "path", path, "error", err)
			}
			return nil
		}
		if where(r.Reference) != path {
			s.log.Warn("file in the cache is another reference's", "path", path, "got", r.Reference)
			return nil
		}
		return fn(r)
	})
}

// writeRef makes a record. It is not synced to the disk: after a power cut a
// lost or empty one is a miss.
func (s *Store) writeRef(r record) error {
	return s.writeRecord(s.refPath(r.Reference), r, false)
}

func (s *Store) removeRef(ref registry.Reference) error { return s.removeNote(s.refPath(ref)) }

func (s *Store) writeRecord(path string, r record, durable bool) error {
	return s.writeSealed(path, r, durable)
}
