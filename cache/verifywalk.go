package cache

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strconv"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/verify"
)

var (
	// hashedName is what hashName makes.
	hashedName = regexp.MustCompile(`^[0-9a-f]{64}$`)
	// plainName is what escapeTag makes, and the name of any other note.
	plainName = regexp.MustCompile(`^[a-z0-9_!@][a-z0-9._!-]{0,` + strconv.Itoa(maxEscaped) + `}$`)
)

// run goes through the directory. Pins come first, since they tell what no
// registry has.
func (v *verification) run() error {
	s := v.store
	if err := v.each(s.dir, func(_, _ string) error { return nil }); err != nil {
		return err
	}
	partitions, err := v.partitions()
	if err != nil {
		return err
	}
	for _, p := range partitions {
		if err := v.records(p.part("pins"), p.pinPath, FaultPin, v.promise(p)); err != nil {
			return err
		}
	}
	err = v.each(s.dir, func(path, name string) error {
		switch name {
		case "blobs":
			return v.byDigest(path, v.content)
		case "parts":
			return nil // below
		case "ingest":
			return v.passing(path, func(name string) bool {
				_, aside := asideDigest(name)
				return aside || ingestName.MatchString(name)
			})
		case "locks":
			return v.passing(path, lockName.MatchString)
		case "collected":
			return v.note(path, &stamp{}, func() string { return path })
		}
		return v.foreign(path)
	})
	if err != nil {
		return err
	}
	if err := v.kept(); err != nil {
		return err
	}
	for _, p := range partitions {
		if err := v.partition(p); err != nil {
			return err
		}
	}
	return nil
}

// partitions returns a view of the store for each. There are as many as
// identities.
func (v *verification) partitions() (all []*Store, err error) {
	err = v.each(v.store.path("parts"), func(path, name string) error {
		hashed := name[0] == '!' && hashedName.MatchString(name[1:])
		if !hashed && (!plainPartition.MatchString(name) || isDevice(name)) {
			return v.foreign(path)
		}
		p := newStore(v.store.dir)
		p.partition, p.log = name, v.store.log
		all = append(all, p)
		return nil
	})
	return all, err
}

func (v *verification) partition(p *Store) error {
	return v.each(p.part(), func(path, name string) error {
		switch name {
		case "known":
			return v.byDigest(path, v.marker)
		case "refs":
			return v.records(path, p.refPath, FaultReference, func(record) error { return nil })
		case "held":
			return v.records(path, p.heldPath, FaultHeld, v.held(p))
		case "pins":
			return nil // were the first
		case "tags":
			return v.notes(path, hashedName, func(path string) error {
				var l listed[string]
				return v.note(path, &l, func() string { return p.tagsPath(l.Of) })
			})
		case "referrers":
			return v.eachNote(path, func(path string) error {
				var l listed[ocispec.Descriptor]
				return v.note(path, &l, func() string {
					if l.Of.Digest == "" {
						return ""
					}
					return p.referrersPath(l.Of)
				})
			})
		case "absent":
			return v.eachNote(path, func(path string) error {
				var a absence
				return v.note(path, &a, func() string { return p.absentPath(a.Reference) })
			})
		}
		return v.foreign(path)
	})
}

// byDigest goes through <algorithm>/<hex>.
func (v *verification) byDigest(dir string, file func(path string, d digest.Digest) error) error {
	return v.each(dir, func(dir, algorithm string) error {
		if !digest.Algorithm(algorithm).Available() {
			return v.foreign(dir)
		}
		return v.each(dir, func(path, encoded string) error {
			d := digest.NewDigestFromEncoded(digest.Algorithm(algorithm), encoded)
			if d.Validate() != nil {
				return v.foreign(path)
			}
			return file(path, d)
		})
	})
}

// content hashes a file, and does not count as a use of it.
func (v *verification) content(path string, d digest.Digest) error {
	f, info, err := openRegular(path)
	if err == nil {
		err = v.store.hash(v.ctx, f, d, info.Size())
		f.Close() // Windows removes no file that is open
	}
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist) && !isLink(path): // collected meanwhile
		return nil
	case v.ctx.Err() != nil:
		return v.ctx.Err()
	case !errors.Is(err, verify.ErrMismatch) && !errors.Is(err, errIrregular):
		info = nil // it cannot be read
	}
	p, pinned := v.promised[d]
	if pinned {
		p.told = true
		v.promised[d] = p
	}
	return v.bad(Fault{Path: path, Kind: FaultContent, Digest: d, Reference: p.reference, Lost: pinned && info != nil}, info, err)
}

// marker looks at what kind of file it is: that it is there says all.
func (v *verification) marker(path string, d digest.Digest) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && !isLink(path) {
		return nil
	}
	if err == nil && info.Mode().IsRegular() {
		return nil
	}
	if err == nil {
		err = errIrregular
	}
	return v.bad(Fault{Path: path, Kind: FaultMarker, Digest: d}, info, err)
}

// repositories calls fn with the directories that are named for one.
func (v *verification) repositories(dir string, fn func(dir string) error) error {
	return v.each(dir, func(path, name string) error {
		if !hashedName.MatchString(name) {
			return v.foreign(path)
		}
		return fn(path)
	})
}

// passing goes through a directory of files that come and go, and are the
// collection's to remove: what they say is nothing.
func (v *verification) passing(dir string, ours func(name string) bool) error {
	return v.each(dir, func(path, name string) error {
		if info, err := os.Lstat(path); err == nil && (!info.Mode().IsRegular() || !ours(name)) {
			return v.foreign(path)
		}
		return nil
	})
}

// isLink tells of a link that leads nowhere from a file that is gone.
func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}
