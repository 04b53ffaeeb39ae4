package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"time"

	"github.com/opencontainers/go-digest"
)

// defaultPartition is the user's own.
const defaultPartition = "default"

// plainPartition is a name that is safe as that of a directory, everywhere.
// The names of the others begin with what none of these has.
var plainPartition = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

func partitionDir(name string) string {
	switch {
	case name == "":
		return defaultPartition
	case plainPartition.MatchString(name) && !isDevice(name) && name != defaultPartition:
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "!" + hex.EncodeToString(sum[:])
}

// part is the path of something that belongs to the partition.
func (s *Store) part(elem ...string) string {
	return s.path(append([]string{"parts", s.partition}, elem...)...)
}

// knows tells whether, and since when, the partition has been shown the content
// of that digest. What another one has kept is not here until then.
func (s *Store) knows(d digest.Digest) (since time.Time, ok bool) {
	if s.dir == "" {
		return time.Time{}, false
	}
	info, err := os.Stat(s.knownPath(d))
	if err != nil || !info.Mode().IsRegular() {
		return time.Time{}, false
	}
	return info.ModTime(), true
}

// learn notes that the partition has been shown the content.
func (s *Store) learn(d digest.Digest) error {
	path := s.knownPath(d)
	err := s.withParent(path, func() error { return mark(path) })
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, ok := s.knows(d); ok {
		return nil
	}
	// What stands there is no file: it would make the content a miss forever.
	s.log.Warn("bad file in the cache removed", "path", path, "error", errIrregular)
	if err := clearPlace(path); err != nil {
		return err
	}
	if err := mark(path); !errors.Is(err, fs.ErrExist) { // else others were faster
		return err
	}
	return nil
}

// mark makes an empty file. The error matches fs.ErrExist where there is
// anything of that name.
func mark(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	return f.Close()
}

// knownPath wants a valid digest, as blobPath does.
func (s *Store) knownPath(d digest.Digest) string {
	return s.part("known", d.Algorithm().String(), d.Encoded())
}
