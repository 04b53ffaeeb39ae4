package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// entries are the auths of one source, read by the rules of one profile. The
// longest path with an entry answers, then the host. A bad entry is passed by
// and remembered as a cause.
type entries struct {
	profile profile
	source  Origin // without a key
	auths   object
}

// path looks for the paths of r, by whole segments, the longest first.
func (e entries) path(r Resource, causes *[]error) Credential {
	for _, path := range r.paths() {
		if c := e.first(pathSpellings(Resource{r.Host, path}), causes); !c.IsZero() {
			return c
		}
	}
	return Credential{}
}

// host looks for the whole host of r.
func (e entries) host(r Resource, causes *[]error) Credential {
	return e.first(e.profile.hostKeys(r), causes)
}

// find looks for both, or for patterns.
func (e entries) find(r Resource) (Credential, []error) {
	var causes []error
	if e.profile.kubelet {
		var keys []string
		for _, m := range e.auths {
			keys = append(keys, m.key)
		}
		return e.firstOf(matchingImages(unique(keys), r), &causes), causes
	}
	c := e.path(r, &causes)
	if c.IsZero() {
		c = e.host(r, &causes)
	}
	return c, causes
}

// credential is Provider's, for a source that consists of entries alone.
func (e entries) credential(r Resource) (Credential, error) {
	c, causes := e.find(r)
	if c.IsZero() {
		return Credential{}, noCredential(causes)
	}
	return c, nil
}

// explain is Explainer's, for such a source.
func (e entries) explain(r Resource) []Finding {
	c, causes := e.find(r)
	findings := failedFindings(e.source, causes)
	switch {
	case !c.IsZero():
		return append(findings, finding(e.source, c, nil))
	case len(findings) == 0:
		return []Finding{{Origin: e.source, Outcome: OutcomeNone, Reason: e.whyNot(r)}}
	}
	return findings
}

// failedFindings are the entries that were passed by, and a helper that failed.
func failedFindings(source Origin, causes []error) []Finding {
	var findings []Finding
	for _, cause := range causes {
		findings = append(findings, finding(source, Credential{}, cause))
	}
	return findings
}

// first takes the first entry that holds a credential, of those under a key
// that is spelled like one of them.
func (e entries) first(keys []string, causes *[]error) Credential {
	var found []string
	for _, key := range keys {
		found = append(found, e.auths.matchKeys(key)...)
	}
	return e.firstOf(found, causes)
}

func (e entries) firstOf(keys []string, causes *[]error) Credential {
	at := e.at
	if len(keys) > 1 { // patterns may be many
		values := e.auths.index()
		at = func(key string) (Credential, error) { return e.decode(key, values[key]) }
	}
	for _, key := range keys {
		c, err := at(key)
		if err != nil {
			*causes = append(*causes, err)
		} else if !c.IsZero() {
			return c
		}
	}
	return Credential{}
}

// at reads the entry of one key.
func (e entries) at(key string) (Credential, error) {
	raw, _ := e.auths.get(key)
	return e.decode(key, raw)
}

func (e entries) decode(key string, raw json.RawMessage) (Credential, error) {
	origin := e.source
	origin.Key = key
	c, err := e.profile.decode(raw)
	if err != nil {
		return Credential{}, invalidConfig(origin, err)
	}
	if !c.IsZero() {
		c.Origin = origin
	}
	return c, nil
}

// whyNot tells in one sentence why there is no credential for r.
func (e entries) whyNot(r Resource) string {
	if e.profile.kubelet {
		return fmt.Sprintf("none of its %d keys matches, or what matches holds no credential", len(e.auths))
	}
	var marks, paths []string
	for _, m := range e.auths {
		of, known := e.profile.resourceOf(m.key)
		switch {
		case !known || of.Host != r.canonical().Host:
		case of.covers(r):
			marks = append(marks, m.key)
		default:
			paths = append(paths, m.key)
		}
	}
	switch {
	case len(marks) > 0:
		return fmt.Sprintf("its entry for %s holds no credential", marks[0])
	case len(paths) == 1:
		return fmt.Sprintf("it has an entry for %s, which is another path", paths[0])
	case len(paths) > 1:
		slices.Sort(paths)
		return fmt.Sprintf("it has entries for %s and %d more, which are other paths", paths[0], len(paths)-1)
	}
	return "it has no entry for this host"
}

// invalidConfig is ErrConfigInvalid for a source, or for the entry that the
// origin's key names.
func invalidConfig(at Origin, cause error) error {
	e := &Error{Stage: StageConfig, Origin: at, Message: "it cannot be read", Err: ErrConfigInvalid}
	if perr, ok := errors.AsType[*fs.PathError](cause); ok {
		cause = perr.Err // the path is in the origin
	}
	if at.Key != "" {
		e.Message = "the entry cannot be used"
		e.Hint = "log in again, or remove the entry"
	}
	e.Causes = []error{cause}
	return e
}

// hostOf is the host of a key.
func hostOf(key string) string {
	if _, after, found := strings.Cut(key, "://"); found {
		key = after
	}
	host, _, _ := strings.Cut(key, "/")
	return host
}
