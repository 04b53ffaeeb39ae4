package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/portolan-oci/portolan/registry"
)

// Options are the settings of a [Store]. The zero value is usable.
type Options struct {
	// Partition is whose view of the directory this is: any name that the
	// program gives to an identity, its tenant or its service account. Two
	// partitions share the bytes on the disk and nothing else: references and
	// pins are each one's own, and content that only another was shown is not
	// here, not even by its digest. Empty: the user's own.
	Partition string
	// Policy is what a caller who has none of its own reads under; see
	// Store.Policy. The zero Policy confirms every tag.
	Policy Policy
	// Patience is how long a download of another goroutine or process may stand
	// still, or bring less than 64 KiB in half that time, before one that waits
	// for it fetches the content itself: at least some 20 ms. Zero, and less:
	// DefaultPatience.
	Patience time.Duration
	// Logger hears of files that were bad, and of what could not be written,
	// once per cause. Nil: silent.
	Logger *slog.Logger
}

// Store is a cache directory. It holds no file open and no lock between calls
// and needs no closing. It is safe for concurrent use, also by several Stores
// and processes on the same directory.
type Store struct {
	dir       string // empty: it keeps nothing
	partition string // the name of its directory in parts
	policy    Policy
	patience  time.Duration
	log       *slog.Logger
	buffers   sync.Pool
	flights   flights

	mu     sync.Mutex
	logged map[string]bool // causes of trouble that the log has
}

// bufferSize makes hashing and copying run at the speed of the disk; a pool
// keeps few buffers alive.
const bufferSize = 256 << 10

// Open opens the cache in dir. Nothing is read or made until content is: a
// directory that is missing, read-only or full is no error, here or in reads.
// Only an empty name, or a relative one without a working directory, is.
func Open(dir string, options *Options) (*Store, error) {
	if dir == "" {
		return nil, errors.New("cache: no directory; name one, or take DefaultDir")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	s := newStore(dir)
	if options == nil {
		return s, nil
	}
	s.partition, s.policy = partitionDir(options.Partition), options.Policy
	if options.Patience > 0 {
		s.patience = options.Patience
	}
	if options.Logger != nil {
		s.log = options.Logger
	}
	return s, nil
}

// None returns a Store that has nothing and keeps nothing, for reading through
// where no cache is wanted. Its Put, Record, Import and Complete, and an Export
// with something to carry, match registry.ErrUnsupported.
func None() *Store { return newStore("") }

func newStore(dir string) *Store {
	s := &Store{dir: dir, partition: defaultPartition, patience: DefaultPatience, log: slog.New(slog.DiscardHandler), logged: map[string]bool{}}
	s.buffers.New = func() any { b := make([]byte, bufferSize); return &b }
	return s
}

var errNone = &registry.Error{Op: "keep", Kind: registry.ErrUnsupported, Err: errors.New("there is no cache")}

// DefaultDir returns the user's own cache: the directory portolan in
// [os.UserCacheDir], which reads the environment (XDG_CACHE_HOME and HOME, or
// LocalAppData). It is an error when these are not set.
func DefaultDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cache: no default directory: %w", err)
	}
	return filepath.Join(dir, "portolan"), nil
}

// Dir returns the cache's directory, absolute; empty for None.
func (s *Store) Dir() string { return s.dir }

// Policy returns that of the options, for Through.
func (s *Store) Policy() Policy { return s.policy }

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// withParent runs write, which makes or moves a file to path, and once more
// with the directory of path made if that was missing: the usual write costs
// no look at the directory, and one that is removed meanwhile does no harm. A
// directory in the place of the file itself is cleared away for the second try.
func (s *Store) withParent(path string, write func() error) error {
	if s.dir == "" {
		return errNone
	}
	err := write()
	if err == nil {
		return nil
	}
	if info, serr := os.Lstat(path); serr == nil && info.IsDir() {
		s.log.Warn("bad file in the cache removed", "path", path, "error", errIrregular)
		if err := clearPlace(path); err != nil {
			return err
		}
		return write()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return write()
}

// trouble logs that the directory does not do what it is for. One without room
// or rights stays so for a while: each cause is told once.
func (s *Store) trouble(message string, err error) {
	if s.dir == "" {
		return
	}
	cause := err.Error()
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		cause = pe.Err.Error()
	} else if le, ok := errors.AsType[*os.LinkError](err); ok {
		cause = le.Err.Error()
	}
	cause = message + ": " + cause
	s.mu.Lock()
	told := s.logged[cause] || len(s.logged) >= maxCauses
	if !told {
		s.logged[cause] = true
	}
	s.mu.Unlock()
	if !told {
		s.log.Warn(message, "dir", s.dir, "error", err)
	}
}

// What the log says of the directory; see trouble.
const (
	cannotWrite  = "cache cannot be written, going on without"
	cannotRead   = "cache cannot be read, going on without"
	cannotRemove = "file in the cache cannot be removed"
	// maxCauses bounds the memory of what was told: an operating system has
	// about as many reasons.
	maxCauses = 64
)
