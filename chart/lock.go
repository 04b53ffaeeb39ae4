package chart

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/portolan-oci/portolan/internal/version"
)

// The names of lock files, by the apiVersion of the chart.
const (
	lockFileV2 = "Chart.lock"
	lockFileV1 = "requirements.lock"
)

// ErrLockOutdated: the lock file does not belong to what Chart.yaml declares
// now, or a digest is wanted and the lock has none. The error is a *LockError.
var ErrLockOutdated = errors.New("lock file is out of date")

// LockError tells why a lock file cannot be built from. It matches
// ErrLockOutdated where an update mends it, and ErrInvalidMetadata where the
// file cannot be read.
type LockError struct {
	File    string // its name: Chart.lock, requirements.lock or Chart.digests.yaml
	Problem string
	Err     error
}

func (e *LockError) Error() string {
	text := e.File + ": " + shown(e.Problem)
	if errors.Is(e.Err, ErrLockOutdated) {
		text += "; update the dependencies to write it anew"
	}
	return text
}

// Unwrap returns Err.
func (e *LockError) Unwrap() error { return e.Err }

// Lock is what the dependencies of a chart were resolved to. The first three
// fields are Chart.lock, and requirements.lock for charts of apiVersion v1, as
// Helm writes it (helm/helm pkg/chart/v2); Pins are Chart.digests.yaml.
//
// It is plain data: share it between goroutines as long as nobody writes.
type Lock struct {
	// Generated is when the lock was made.
	Generated time.Time `json:"generated"`
	// Digest is LockDigest of what Chart.yaml declared and of Dependencies.
	Digest string `json:"digest"`
	// Dependencies are in the order of Chart.yaml, each with its name, its
	// repository, and its one version; a dependency without a repository keeps
	// the range that Chart.yaml has.
	Dependencies []*Dependency `json:"dependencies"`
	// Pins are what the dependencies are by digest, in the order of
	// Dependencies. ParseLock leaves it nil.
	Pins []Pin `json:"-"`
	// Origins are where the charts came from this time, in the order of
	// Dependencies: zero for one that no registry gave, but charts/, a directory
	// or a chart repository. ParseLock leaves it nil.
	Origins []Origin `json:"-"`
	// Pinned tells that DigestsFile holds the pins: after an update always,
	// after a build where that file is there and not stale.
	Pinned bool `json:"-"`
}

// ParseLock reads Chart.lock or requirements.lock. Pins are not in it. It does
// not look at whether the lock belongs to a chart. Its error is a *LockError and
// matches ErrInvalidMetadata, and ErrTooLarge where aliases expand the file to
// more than 8 MiB.
func ParseLock(data []byte) (*Lock, error) { return parseLock(lockFileV2, data) }

func parseLock(file string, data []byte) (*Lock, error) {
	fail := func(problem string, also ...error) (*Lock, error) {
		return nil, &LockError{File: file, Problem: problem, Err: errors.Join(append(also, ErrInvalidMetadata)...)}
	}
	var l Lock
	var r yamlReader
	if err := r.unmarshal(data, &l); err != nil {
		if errors.Is(err, errExpanded) {
			return fail("cannot be read: "+err.Error(), ErrTooLarge)
		}
		return fail("cannot be read: " + strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "))
	}
	for i, d := range l.Dependencies {
		if d == nil {
			return fail(fmt.Sprintf("dependencies[%d] is null", i))
		}
	}
	return &l, nil
}

// Marshal returns the bytes of Chart.lock, as Helm writes them: keys sorted,
// the time as RFC 3339 writes it. The error is that of a time whose year does
// not fit. ParseLock reads it back, Pins aside.
func (l *Lock) Marshal() ([]byte, error) { return yaml.Marshal(l) }

// LockDigest is the digest that Chart.lock has: the SHA-256, as "sha256:" and
// hexadecimal digits, of both lists as JSON (helm/helm internal/resolver). It
// binds the lock to what Chart.yaml declares. Every field of a dependency
// counts, its alias and tags too; a nil list is another one than an empty list.
func LockDigest(declared, locked []*Dependency) string {
	return hashJSON([2][]*Dependency{declared, locked})
}

// lockDigestHelm2 is the digest that Helm 2 gave to requirements.lock, of the
// declared dependencies alone. Helm accepts it still (helm#7233).
func lockDigestHelm2(declared []*Dependency) string {
	return hashJSON(map[string][]*Dependency{"dependencies": declared})
}

// hashJSON cannot fail for dependencies that were decoded from JSON; a value
// that JSON cannot hold gives "", which is no digest.
func hashJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// checkAgainst tells whether the lock belongs to what Chart.yaml declares.
// Helm compares digests alone. Who writes a lock by hand can give it any, so
// each entry is held against its declaration too. Declared dependencies have
// their aliases of repositories replaced; original is before that.
func (l *Lock) checkAgainst(file string, m *Metadata, declared []*Dependency) error {
	outdated := func(problem string) error {
		return &LockError{File: file, Problem: problem, Err: ErrLockOutdated}
	}
	if LockDigest(declared, l.Dependencies) != l.Digest && (m.APIVersion != APIVersionV1 || lockDigestHelm2(m.Dependencies) != l.Digest) {
		return outdated("is out of sync with the dependencies of the chart")
	}
	if len(l.Dependencies) != len(declared) {
		return outdated(fmt.Sprintf("has %d dependencies, the chart %d", len(l.Dependencies), len(declared)))
	}
	for i, locked := range l.Dependencies {
		want := declared[i]
		switch {
		case locked.Name != want.Name:
			return outdated(fmt.Sprintf("has dependency %s where the chart has %s", quoted(locked.Name), quoted(want.Name)))
		case strings.TrimRight(locked.Repository, "/") != strings.TrimRight(want.Repository, "/"):
			return outdated(fmt.Sprintf("has dependency %s from another repository than the chart", quoted(locked.Name)))
		case locked.Repository == "":
			continue // its version is a range, and charts/ will be held against it
		}
		v, err := version.Parse(locked.Version)
		if err != nil {
			return outdated(fmt.Sprintf("has dependency %s with %s, which is no version", quoted(locked.Name), quoted(locked.Version)))
		}
		if in, err := declaredRange(want); err != nil || !in.Check(v) {
			return outdated(fmt.Sprintf("has dependency %s in version %s, which is not in the range %s", quoted(locked.Name), quoted(locked.Version), quoted(want.Version)))
		}
	}
	return nil
}
