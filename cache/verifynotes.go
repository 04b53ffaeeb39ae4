package cache

import (
	"errors"
	"io/fs"
	"regexp"

	"github.com/portolan-oci/portolan/registry"
)

// maxNote bounds the notes of every kind: the longest is a list.
const maxNote = maxList + maxRecord

// records goes through <repository>/<tag>, and gives fn those that are good.
func (v *verification) records(dir string, where func(registry.Reference) string, kind FaultKind, fn func(record) error) error {
	return v.repositories(dir, func(dir string) error {
		return v.each(dir, func(path, name string) error {
			if !plainName.MatchString(name) {
				return v.foreign(path)
			}
			var r record
			info, err := v.store.loadSealed(path, maxRecord, &r)
			if err == nil && where(r.Reference) != path {
				err = errElsewhere
			}
			if err == nil {
				return fn(r)
			}
			return v.unsealed(Fault{Path: path, Kind: kind, Lost: kind == FaultPin && info != nil}, info, err)
		})
	})
}

// eachNote goes through <repository>/<note>.
func (v *verification) eachNote(dir string, note func(path string) error) error {
	return v.repositories(dir, func(dir string) error { return v.notes(dir, plainName, note) })
}

// notes goes through the sealed files of a directory, which have such names.
func (v *verification) notes(dir string, names *regexp.Regexp, note func(path string) error) error {
	return v.each(dir, func(path, name string) error {
		if !names.MatchString(name) {
			return v.foreign(path)
		}
		return note(path)
	})
}

// note reads a file; where says whose it is by what it says.
func (v *verification) note(path string, into checked, where func() string) error {
	info, err := v.store.loadSealed(path, maxNote, into)
	if err == nil && where() != path {
		err = errElsewhere
	}
	if err == nil {
		return nil
	}
	return v.unsealed(Fault{Path: path, Kind: FaultNote}, info, err)
}

// errElsewhere is what is wrong with a note under the name of another.
var errElsewhere = errors.New("it is another's, by what it says")

// unsealed tells of a note that loadSealed or its name gave away.
func (v *verification) unsealed(f Fault, info fs.FileInfo, err error) error {
	if errors.Is(err, fs.ErrNotExist) && !isLink(f.Path) {
		return nil
	}
	return v.bad(f, info, err)
}
