package chart

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"sigs.k8s.io/yaml"
)

// DigestsFile is the companion of Chart.lock, which pins what Chart.lock only
// names. Helm takes it for one of the chart's own files and does not read it.
// It depends on the lock and on the content alone: no time, no machine. It is
// YAML, keys sorted:
//
//	apiVersion: v1
//	dependencies:
//	- layer: sha256:…       # of the archive
//	  manifest: sha256:…    # of what the tag named in the registry
//	  name: redis
//	  repository: oci://ghcr.io/team
//	  version: 1.2.3
//	lock: sha256:…          # the digest that stands in Chart.lock
//
// Its dependencies are those of Chart.lock, in that order. One that is not
// fetched (file://, or no repository) has no digests: its content lies beside
// the chart, and changes with it. For a classic repository, manifest is that of
// the deterministic manifest which Pack gives the archive. While lock equals
// the digest in Chart.lock, and each dependency its counterpart there, the file
// holds; otherwise, say because Helm has updated Chart.lock, it is stale and
// pins nothing.
const DigestsFile = "Chart.digests.yaml"

// digestsVersion is the format of DigestsFile. A reader refuses others: a pin
// that it cannot read is not one that it may leave out.
const digestsVersion = "v1"

// Pin is the content of one locked dependency.
type Pin struct {
	Name       string `json:"name"`
	Version    string `json:"version,omitempty"`
	Repository string `json:"repository,omitempty"`
	// Manifest is the digest of what the version's tag named; Layer that of the
	// archive. Both are empty for a dependency that is not fetched.
	Manifest digest.Digest `json:"manifest,omitempty"`
	Layer    digest.Digest `json:"layer,omitempty"`
}

// pinned is the content of DigestsFile.
type pinned struct {
	APIVersion   string `json:"apiVersion"`
	Lock         string `json:"lock"`
	Dependencies []Pin  `json:"dependencies"`
}

func (l *Lock) marshalPins() ([]byte, error) {
	return yaml.Marshal(pinned{APIVersion: digestsVersion, Lock: l.Digest, Dependencies: l.Pins})
}

// ParseDigests reads DigestsFile for a lock and returns its pins, in the order
// of the lock's dependencies. The error is a *LockError. It matches
// ErrLockOutdated when the file is another lock's, and ErrInvalidMetadata when
// it cannot be read.
func ParseDigests(data []byte, lock *Lock) ([]Pin, error) {
	fail := func(kind error, problem string) ([]Pin, error) {
		return nil, &LockError{File: DigestsFile, Problem: problem, Err: kind}
	}
	var p pinned
	var r yamlReader
	if err := r.unmarshal(data, &p); err != nil {
		kind := ErrInvalidMetadata
		if errors.Is(err, errExpanded) {
			kind = errors.Join(ErrTooLarge, ErrInvalidMetadata)
		}
		return fail(kind, "cannot be read: "+strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "))
	}
	if p.APIVersion != digestsVersion {
		return fail(ErrInvalidMetadata, fmt.Sprintf("has apiVersion %s, and %s is known", quoted(p.APIVersion), digestsVersion))
	}
	if p.Lock != lock.Digest || len(p.Dependencies) != len(lock.Dependencies) {
		return fail(ErrLockOutdated, "belongs to another lock file")
	}
	for i, pin := range p.Dependencies {
		d := lock.Dependencies[i]
		if pin.Name != d.Name || pin.Version != d.Version || pin.Repository != d.Repository {
			return fail(ErrLockOutdated, fmt.Sprintf("pins %s where the lock file has %s", quoted(pin.Name+" "+pin.Version), quoted(d.Name+" "+d.Version)))
		}
		if repositoryKindOf(d.Repository).fetched() != (pin.Manifest != "") || (pin.Manifest == "") != (pin.Layer == "") {
			return fail(ErrInvalidMetadata, fmt.Sprintf("has a wrong number of digests for %s", quoted(pin.Name)))
		}
		for _, d := range []digest.Digest{pin.Manifest, pin.Layer} {
			if d != "" && d.Validate() != nil {
				return fail(ErrInvalidMetadata, fmt.Sprintf("has %s for %s, which is no digest", quoted(string(d)), quoted(pin.Name)))
			}
		}
	}
	return p.Dependencies, nil
}
