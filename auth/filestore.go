package auth

import (
	"fmt"
	"log/slog"
	"os"
	"time"
)

// maxConfig bounds a credential file: 4 MiB hold ten thousand entries with
// identity tokens.
const maxConfig = 4 << 20

// PlaintextPolicy says what happens when a secret would be written into a file
// in readable form, since no credential helper is configured.
type PlaintextPolicy int

const (
	// PlaintextRefuse refuses with ErrPlaintextRefused.
	PlaintextRefuse PlaintextPolicy = iota
	// PlaintextWarn writes it, and says so to the logger and in LoginResult.
	PlaintextWarn
	// PlaintextStore writes it.
	PlaintextStore
)

// FileOptions configures a FileStore. The zero value reads, runs the helpers
// that the file names, and refuses to write plaintext.
type FileOptions struct {
	Plaintext     PlaintextPolicy
	HelperTimeout time.Duration // for one run of a helper; 0 is 30 s
	HelperEnv     Environ       // KEY=value for helpers, on top of this process's environment
	NoExec        bool          // run no helper, for files that are not trusted
	// RefuseShared refuses to write a secret into a file that others may read,
	// with ErrPlaintextRefused, instead of taking that right away. On Windows,
	// where a file's mode does not tell who may, it has no effect.
	RefuseShared bool
	Logger       *slog.Logger // nil is silent
}

// FileStore is a credential file in the format of docker's config.json,
// together with the credential helpers that it names. The file is read anew
// for each look-up; writing merges into what is there at that moment, under a
// lock that all users of this package share, and keeps everything it does not
// know byte for byte. It is safe for concurrent use.
type FileStore struct {
	path      string
	profile   profile
	opts      FileOptions
	log       *slog.Logger
	helpers   *helpers
	turn      chan struct{}           // held by the goroutine that writes
	settle    time.Duration           // until the second look at what was written
	swap      func(a, b string) error // swapFiles, but for tests
	sync      func(*os.File) error    // its Sync, but for tests
	elsewhere string                  // what to do where it cannot be written

	// For tests, the moments at which another program may look or write: when
	// the new file is there, while it is prepared, after the last look at the
	// old one, and after that has been replaced.
	afterCreate, beforeCompare, beforeCommit, afterCommit func()
}

// NewDockerStore opens docker's config.json at path. The file need not exist
// or be readable: look-ups report that as ErrNoCredential or ErrConfigInvalid.
// Credentials for a path are read where a file has some but never written,
// since docker would give them to the whole host. An empty path, an unknown
// policy and a negative time are errors.
func NewDockerStore(path string, opts *FileOptions) (*FileStore, error) {
	return newFileStore(path, dockerProfile, opts)
}

// NewHelmStore opens Helm's registry/config.json at path: docker's format,
// with keys for paths as well. Otherwise it is as NewDockerStore.
func NewHelmStore(path string, opts *FileOptions) (*FileStore, error) {
	return newFileStore(path, helmProfile, opts)
}

// NewContainersStore opens the auth.json of podman, buildah and skopeo at path
// (containers-auth.json(5)): docker's format, with keys for paths and without
// a scheme. An entry counts only if it has an auth, so that an identity token
// alone does not, and registry tokens are neither read nor written. A
// credsStore means nothing there, and a credHelpers entry is for a host; an
// entry for a path goes before it here, other than for podman. Otherwise it is
// as NewDockerStore.
func NewContainersStore(path string, opts *FileOptions) (*FileStore, error) {
	return newFileStore(path, containersProfile, opts)
}

func newFileStore(path string, p profile, opts *FileOptions) (*FileStore, error) {
	f := &FileStore{path: path, profile: p, turn: make(chan struct{}, 1), settle: settleTime, swap: swapFiles, sync: (*os.File).Sync}
	if opts != nil {
		f.opts = *opts
	}
	switch {
	case path == "":
		return nil, fmt.Errorf("%s: no path", p.kind)
	case f.opts.Plaintext < PlaintextRefuse || f.opts.Plaintext > PlaintextStore:
		return nil, fmt.Errorf("%s: unknown plaintext policy %d", p.kind, f.opts.Plaintext)
	case f.opts.HelperTimeout < 0:
		return nil, fmt.Errorf("%s: negative helper timeout", p.kind)
	}
	f.log = f.opts.Logger
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	f.helpers = newHelpers(f.opts, f.log)
	return f, nil
}

// Path returns the path that the store was opened with.
func (f *FileStore) Path() string { return f.path }

// Format writes the kind of the file and its path, for every verb.
func (f *FileStore) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%s %s", f.profile.kind, f.path) }
