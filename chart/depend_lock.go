package chart

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/portolan-oci/portolan/internal/limit"
)

// newLock writes down what the declarations were resolved to.
func newLock(declared []*Dependency, parts []*part, at time.Time) *Lock {
	l := &Lock{Generated: at, Dependencies: make([]*Dependency, len(parts)), Pins: make([]Pin, len(parts))}
	if at.IsZero() {
		l.Generated = time.Now().UTC()
	}
	for i, p := range parts {
		l.Dependencies[i] = &Dependency{Name: declared[i].Name, Version: p.version, Repository: declared[i].Repository}
		l.Pins[i] = p.pin(l.Dependencies[i])
	}
	l.Digest = LockDigest(declared, l.Dependencies)
	l.Origins = origins(parts)
	return l
}

func origins(parts []*part) []Origin {
	all := make([]Origin, len(parts))
	for i, p := range parts {
		all[i] = p.origin
	}
	return all
}

func (d *depending) lockFile() string {
	if d.meta.APIVersion == APIVersionV1 {
		return lockFileV1
	}
	return lockFileV2
}

// readLock returns nil where there is no lock.
func (d *depending) readLock() (*Lock, error) {
	data, err := readRooted(d.root, d.lockFile(), maxMetadata)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseLock(d.lockFile(), data)
}

// readPins reads the digests of the lock. One that is stale pins nothing.
func (d *depending) readPins(lock *Lock) error {
	data, err := readRooted(d.root, DigestsFile, maxMetadata)
	if err == nil {
		lock.Pins, err = ParseDigests(data, lock)
	}
	lock.Pinned = err == nil
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrLockOutdated):
		return err
	case !d.options.RequireDigests:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return &LockError{File: DigestsFile, Problem: "is not there", Err: ErrLockOutdated}
	}
	return err
}

// readRooted reads a small file beneath root.
func readRooted(root *os.Root, name string, most int64) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &ArchiveError{Path: root.Name(), Entry: name, Problem: "is no regular file", Err: ErrUnsafeArchive}
	}
	if err != nil {
		return nil, err
	}
	data, err := limit.ReadAll(f, most)
	if errors.Is(err, limit.ErrExceeded) {
		err = &ArchiveError{Path: root.Name(), Entry: name, Problem: fmt.Sprintf("has more than %d bytes", most), Err: ErrTooLarge}
	}
	return data, err
}

// stageLock stages Chart.lock.
func (d *depending) stageLock(lock *Lock) error {
	data, err := lock.Marshal()
	if err != nil {
		return err
	}
	d.stage.lock, err = d.stage.writeBytes(data)
	return err
}

// stagePins stages DigestsFile, unless that is there as it should be.
func (d *depending) stagePins(lock *Lock) error {
	data, err := lock.marshalPins()
	if err != nil {
		return err
	}
	if old, err := readRooted(d.root, DigestsFile, maxMetadata); err == nil && string(old) == string(data) {
		return nil
	}
	d.stage.pins, err = d.stage.writeBytes(data)
	return err
}
