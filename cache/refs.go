package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/atomicfile"
	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/registry"
)

// record is the file of one tag: what it named, and when. It has the whole
// reference too: a file under a wrong name, or two tags under one, shall be a
// miss and never another's answer.
type record struct {
	Reference registry.Reference `json:"reference"`
	MediaType string             `json:"mediaType"`
	Digest    digest.Digest      `json:"digest"`
	Size      int64              `json:"size"`
	Fetched   time.Time          `json:"fetched"`
	Confirmed time.Time          `json:"confirmed,omitzero"`
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

func decodeRecord(data []byte) (record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return record{}, err
	}
	if r.Reference.Tag == "" || r.Reference.Digest != "" {
		return record{}, fmt.Errorf("%q is not a tag's", r.Reference)
	}
	if err := checkDescriptor(r.descriptor()); err != nil {
		return record{}, err
	}
	return r, nil
}

func (r record) descriptor() ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: r.MediaType, Digest: r.Digest, Size: r.Size}
}

// refPath wants a reference with a valid tag.
func (s *Store) refPath(ref registry.Reference) string {
	return filepath.Join(s.refDir(ref), escapeTag(ref.Tag))
}

func (s *Store) refDir(ref registry.Reference) string {
	return s.part("refs", hashName(ref.Name()))
}

// readRef returns what the tag of ref last named, if that manifest is here: a
// record without its manifest is a miss, which heals it.
func (s *Store) readRef(ref registry.Reference) (record, bool) {
	r, ok := s.readRecord(s.refPath(ref))
	if ok && r.Reference != ref {
		s.log.Warn("file in the cache is another reference's", "want", ref, "got", r.Reference)
		return record{}, false
	}
	return r, ok && s.has(r.descriptor())
}

func (s *Store) readRecord(path string) (record, bool) {
	if s.dir == "" {
		return record{}, false
	}
	f, _, err := openRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, false
	}
	if err != nil {
		s.trouble(cannotRead, err)
		return record{}, false
	}
	defer f.Close()
	data, err := limit.ReadAll(f, maxRecord)
	if err != nil {
		s.log.Warn("bad file in the cache", "path", path, "error", err)
		return record{}, false
	}
	r, err := decodeRecord(data)
	if err != nil {
		s.log.Warn("bad file in the cache", "path", path, "error", err)
		return record{}, false
	}
	return r, true
}

// listRecords reads the records in dir, sorted by file name. Temporary files
// are none of them; a record under another name than where gives it is bad. A
// directory that is missing has none.
func (s *Store) listRecords(ctx context.Context, dir string, where func(registry.Reference) string) ([]record, error) {
	if s.dir == "" {
		return nil, nil
	}
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []record
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		path := filepath.Join(dir, file.Name())
		if strings.HasPrefix(file.Name(), ".") || file.IsDir() {
			continue
		}
		r, ok := s.readRecord(path)
		if !ok {
			continue
		}
		if where(r.Reference) != path {
			s.log.Warn("file in the cache is another reference's", "path", path, "got", r.Reference)
			continue
		}
		all = append(all, r)
	}
	return all, nil
}

// writeRef makes a record. It is not synced to the disk: after a power cut a
// lost or empty one is a miss.
func (s *Store) writeRef(r record) error {
	return s.writeRecord(s.refPath(r.Reference), r, false)
}

func (s *Store) removeRef(ref registry.Reference) error {
	if s.dir == "" {
		return errNone
	}
	err := os.Remove(s.refPath(ref))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (s *Store) writeRecord(path string, r record, durable bool) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.withParent(path, func() error {
		f, err := atomicfile.Create(path, 0o666)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Write(data); err != nil {
			return err
		}
		if durable {
			if err := f.Sync(); err != nil {
				return err
			}
		}
		return f.Commit()
	})
}
