package cache

import (
	"fmt"
	"time"

	"github.com/portolan-oci/portolan/internal/atomicfile"
	"github.com/portolan-oci/portolan/registry"
)

// MaxAbsence is for how long at most it is trusted that there was nothing: a
// pipeline that publishes a chart and deploys it asks within seconds.
const MaxAbsence = time.Minute

// absence is the file of a tag or a manifest that the registry did not have.
type absence struct {
	// Reference has a tag or a digest, and not both.
	Reference registry.Reference `json:"reference"`
	// Since is when the registry was asked.
	Since time.Time `json:"since"`
}

func (a absence) check() error {
	if (a.Reference.Tag == "") == (a.Reference.Digest == "") {
		return fmt.Errorf("%q is neither a tag's nor a digest's", a.Reference)
	}
	return nil
}

// absentPath wants a reference with either a valid tag or a valid digest. The
// name of no tag begins as those of digests do.
func (s *Store) absentPath(ref registry.Reference) string {
	name := escapeTag(ref.Tag)
	if ref.Digest != "" {
		name = "!-" + escapeDigest(ref.Digest)
	}
	return s.part("absent", hashName(ref.Name()), name)
}

// absent is the error of what was not there a moment ago, if the policy trusts
// in that; else nil.
func (s *Source) absent(name registry.Reference, now time.Time) error {
	if s.policy.MaxAge <= 0 {
		return nil
	}
	var a absence
	_, ok := s.store.readSealed(s.store.absentPath(name), maxRecord, &a)
	if !ok || a.Reference != name || !within(a.Since, now, min(s.policy.MaxAge, MaxAbsence)) {
		return nil
	}
	return s.none("resolve", name, a.Since)
}

// none is the error of what the registry did not have when it was asked last.
func (s *Source) none(op string, name registry.Reference, since time.Time) error {
	return &registry.Error{
		Op: op, Reference: name, Kind: registry.ErrNotFound,
		Err:  fmt.Errorf("the registry said so at %s", since.UTC().Format(time.RFC3339)),
		Hint: "what has come since is seen within a minute, or at once without a max-age",
	}
}

// missed notes an answer of the source, asked then, that it has no such tag or
// manifest: for a moment it need not be asked again, and what the tag named is
// no longer confirmed. Any other error leaves no note.
func (s *Source) missed(name registry.Reference, asked time.Time, err error) {
	if s.store.dir == "" || !saysNone(registry.WrapError("resolve", name, err)) {
		return
	}
	if name.Digest == "" {
		s.unconfirm(name, asked)
	}
	if s.policy.MaxAge <= 0 {
		return
	}
	if err := s.store.writeSealed(s.store.absentPath(name), absence{name, asked.UTC()}, false); err != nil {
		s.store.trouble(cannotWrite, err)
	}
}

// unconfirm takes back what was said of a tag before then. It is answered
// offline only from now on: a tag that was removed shall not come back whenever
// the registry is down.
func (s *Source) unconfirm(name registry.Reference, asked time.Time) {
	r, ok := s.store.lastRef(name)
	if !ok || r.Confirmed.IsZero() || r.Confirmed.After(asked) {
		return
	}
	r.Confirmed = time.Time{}
	if err := s.store.writeRef(r); err != nil {
		s.store.trouble(cannotWrite, err)
	}
}

// removeAbsence forgets that there was nothing. The error is that of the
// directory.
func (s *Store) removeAbsence(name registry.Reference) error {
	return s.removeNote(s.absentPath(name))
}

// removeNote removes a file of the cache's own, if it is there.
func (s *Store) removeNote(path string) error {
	if s.dir == "" {
		return errNone
	}
	return atomicfile.Remove(path)
}

// appeared notes that the source has the tag or the manifest.
func (s *Source) appeared(name registry.Reference) {
	if err := s.store.removeAbsence(name); err != nil {
		s.store.trouble(cannotRemove, err)
	}
}
