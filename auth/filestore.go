package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/portolan-oci/portolan/internal/limit"
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
	Logger        *slog.Logger  // nil is silent
}

// FileStore is a credential file in the format of docker's config.json,
// together with the credential helpers that it names. The file is read anew
// for each look-up; writing merges into what is there at that moment, under a
// lock that all users of this package share, and keeps everything it does not
// know byte for byte. It is safe for concurrent use.
type FileStore struct {
	path     string
	kind     string
	pathKeys bool // credentials for paths can be written
	opts     FileOptions
	log      *slog.Logger
	helpers  *helpers

	beforeCommit func() // for tests: the moment between reading and replacing
}

// NewDockerStore opens docker's config.json at path. The file need not exist
// or be readable: look-ups report that as ErrNoCredential or ErrConfigInvalid.
// Credentials for a path are read where a file has some but never written,
// since docker would give them to the whole host. An empty path, an unknown
// policy and a negative time are errors.
func NewDockerStore(path string, opts *FileOptions) (*FileStore, error) {
	return newFileStore(path, "docker config", false, opts)
}

// NewHelmStore opens Helm's registry/config.json at path: docker's format,
// with keys for paths as well. Otherwise it is as NewDockerStore.
func NewHelmStore(path string, opts *FileOptions) (*FileStore, error) {
	return newFileStore(path, "helm config", true, opts)
}

func newFileStore(path, kind string, pathKeys bool, opts *FileOptions) (*FileStore, error) {
	f := &FileStore{path: path, kind: kind, pathKeys: pathKeys}
	if opts != nil {
		f.opts = *opts
	}
	switch {
	case path == "":
		return nil, fmt.Errorf("%s: no path", kind)
	case f.opts.Plaintext < PlaintextRefuse || f.opts.Plaintext > PlaintextStore:
		return nil, fmt.Errorf("%s: unknown plaintext policy %d", kind, f.opts.Plaintext)
	case f.opts.HelperTimeout < 0:
		return nil, fmt.Errorf("%s: negative helper timeout", kind)
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
func (f *FileStore) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%s %s", f.kind, f.path) }

// Credential implements Provider. It looks for the longest path of r that has
// an entry, then for the host: in the helper that the file names for it, else
// in the file under the canonical and the legacy spellings of the host, in a
// fixed order. Keys of other paths never answer. An entry that cannot be read
// is passed by, and reported when nothing else answers. Errors match
// ErrNoCredential, ErrConfigInvalid or ErrHelper, or are the context's.
func (f *FileStore) Credential(ctx context.Context, r Resource) (Credential, error) {
	data, err := readConfig(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return Credential{}, ErrNoCredential
	}
	if err != nil {
		return Credential{}, f.invalid("", err)
	}
	cfg, err := parseConfig(data)
	if err != nil {
		return Credential{}, f.invalid("", err)
	}
	var causes []error
	for _, path := range r.paths() {
		if c := f.fromEntries(cfg, pathSpellings(Resource{r.Host, path}), &causes); !c.IsZero() {
			return c, nil
		}
	}
	return f.fromHost(ctx, cfg, Resource{Host: r.Host}, causes)
}

func (f *FileStore) fromHost(ctx context.Context, cfg *config, host Resource, causes []error) (Credential, error) {
	suffix, err := cfg.helper(hostKeys(host))
	if err != nil {
		return Credential{}, f.invalid(host.Host, err)
	}
	filed := f.fromEntries(cfg, hostSpellings(host), &causes)
	if suffix == "" {
		if filed.IsZero() {
			return Credential{}, noCredential(causes)
		}
		return filed, nil
	}
	c, err := f.helpers.get(ctx, suffix, canonicalKey(host))
	switch {
	case ctx.Err() != nil:
		return Credential{}, context.Cause(ctx)
	case !filed.RegistryToken.IsZero():
		// Helpers cannot hold a registry token, so the file's counts beside them.
		if err != nil {
			c.Origin = filed.Origin
		}
		c.RegistryToken = filed.RegistryToken
		return c, nil
	case err != nil:
		return Credential{}, noCredential(append(causes, causesOf(err)...))
	}
	return c, nil
}

// fromEntries takes the first entry under keys that holds a credential, and
// collects what is wrong with those before it.
func (f *FileStore) fromEntries(cfg *config, keys []string, causes *[]error) Credential {
	for _, key := range keys {
		for _, k := range cfg.auths.matchKeys(key) {
			raw, _ := cfg.auths.get(k)
			c, err := decodeEntry(raw)
			if err != nil {
				*causes = append(*causes, f.invalid(k, err))
				continue
			}
			if !c.IsZero() {
				c.Origin = f.origin(k)
				return c
			}
		}
	}
	return Credential{}
}

func (f *FileStore) origin(key string) Origin {
	return Origin{Kind: f.kind, Location: f.path, Key: key}
}

func (f *FileStore) invalid(key string, cause error) error {
	e := &Error{Stage: StageConfig, Origin: f.origin(key), Message: "it cannot be read", Err: ErrConfigInvalid}
	var perr *fs.PathError
	if errors.As(cause, &perr) {
		cause = perr.Err // the path is in the origin
	}
	if key != "" {
		e.Message = "the entry cannot be used"
		e.Hint = "log in again, or remove the entry"
	}
	e.Causes = []error{cause}
	return e
}

// readConfig reads a file that must be regular: a look-up shall not wait on a
// pipe.
func readConfig(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return limit.ReadAll(file, maxConfig)
}
