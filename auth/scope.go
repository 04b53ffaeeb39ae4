package auth

import (
	"errors"
	"slices"
	"strings"
)

// Scope is one right that a token can carry, as the distribution project's
// token scope documentation writes it: repository:team/app:pull,push. Scopes
// of a repository know their actions; every other one is opaque, kept as it
// came (public ECR's is the bare word aws). Scope is comparable; the zero
// value is no scope.
type Scope struct {
	prefix  string // "repository:team/app", or the whole of an opaque scope
	actions string // sorted and joined by commas; empty where opaque
}

// ParseScope reads one scope. Characters that RFC 6749, section 3.3, does not
// allow in a scope are an error.
func ParseScope(s string) (Scope, error) {
	if s == "" {
		return Scope{}, errors.New("scope: empty")
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c == '"' || c == '\\' || c > '~' {
			return Scope{}, errors.New("scope: it has a character that a scope cannot have")
		}
	}
	// The name may hold a colon (host:port), so actions follow the last one.
	first, last := strings.IndexByte(s, ':'), strings.LastIndexByte(s, ':')
	if first < 0 || first+1 >= last || !isRepositoryType(s[:first]) {
		return Scope{prefix: s}, nil
	}
	actions := normalActions(strings.Split(s[last+1:], ","))
	if actions == "" {
		return Scope{prefix: s}, nil
	}
	return Scope{prefix: s[:last], actions: actions}, nil
}

// isRepositoryType accepts repository and repository(class).
func isRepositoryType(typ string) bool {
	return typ == "repository" || strings.HasPrefix(typ, "repository(") && strings.HasSuffix(typ, ")")
}

func normalActions(list []string) string {
	list = slices.DeleteFunc(slices.Clone(list), func(a string) bool { return a == "" })
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ",")
}

// parseScopes reads the space-separated list of a challenge and leaves out
// what is no scope.
func parseScopes(list string) []Scope {
	var scopes []Scope
	for _, s := range strings.Fields(list) {
		if scope, err := ParseScope(s); err == nil {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// RepositoryScope is the right to do actions ("pull", "push", "delete") in the
// repository name. A name or an action that no scope can hold, or no action at
// all, gives the zero Scope, which asks for nothing.
func RepositoryScope(name string, actions ...string) Scope {
	s, err := ParseScope("repository:" + name + ":" + strings.Join(actions, ","))
	if err != nil || s.actions == "" {
		return Scope{}
	}
	return s
}

// String returns the scope as it is asked for. ParseScope reads it back.
func (s Scope) String() string {
	if s.actions == "" {
		return s.prefix
	}
	return s.prefix + ":" + s.actions
}

// Contains tells whether a token with s can be used where o is needed: the
// same repository and at least o's actions, or the same opaque scope. Every
// scope contains the zero Scope.
func (s Scope) Contains(o Scope) bool {
	if o == (Scope{}) {
		return true
	}
	if s.prefix != o.prefix || (s.actions == "") != (o.actions == "") {
		return false
	}
	have := strings.Split(s.actions, ",")
	for a := range strings.SplitSeq(o.actions, ",") {
		if !slices.Contains(have, a) {
			return false
		}
	}
	return true
}

// mergeScopes joins lists into one with one entry for each repository, in the
// order of their first appearance: two entries for one repository break
// cesanta/docker_auth (helm#6214), and some servers read only the first.
func mergeScopes(lists ...[]Scope) []Scope {
	var merged []Scope
	for _, s := range slices.Concat(lists...) {
		if s == (Scope{}) {
			continue
		}
		i := slices.IndexFunc(merged, func(m Scope) bool {
			return m.prefix == s.prefix && (m.actions == "") == (s.actions == "")
		})
		if i < 0 {
			merged = append(merged, s)
		} else if s.actions != "" {
			merged[i].actions = normalActions(append(strings.Split(merged[i].actions, ","), strings.Split(s.actions, ",")...))
		}
	}
	return merged
}

// containsAll tells whether have covers every scope of need.
func containsAll(have, need []Scope) bool {
	for _, n := range need {
		if n != (Scope{}) && !slices.ContainsFunc(have, func(h Scope) bool { return h.Contains(n) }) {
			return false
		}
	}
	return true
}

func scopeStrings(scopes []Scope) []string {
	list := make([]string, len(scopes))
	for i, s := range scopes {
		list[i] = s.String()
	}
	return list
}
