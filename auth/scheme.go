package auth

import (
	"slices"
	"strings"
	"sync"
)

// scheme is how a registry wants to be answered, as its challenge said.
type scheme struct {
	basic          bool
	realm, service string
	scopes         []Scope // what the challenge asked for
	internal       bool    // the registry's own connection went to an internal address
	path           string  // whose request was challenged
}

func newScheme(c challenge, internal bool, path string) *scheme {
	return &scheme{
		basic:    c.scheme == "basic",
		realm:    c.params["realm"],
		service:  c.params["service"],
		scopes:   parseScopes(c.params["scope"]),
		internal: internal,
		path:     path,
	}
}

// general are the scopes that a registry asks for whatever the request: public
// ECR's bare aws. Scopes with a colon are for one resource.
func (s *scheme) general() []Scope {
	return slices.DeleteFunc(slices.Clone(s.scopes), func(c Scope) bool { return strings.Contains(c.prefix, ":") })
}

// same tells whether two schemes are answered in the same way.
func (s *scheme) same(o *scheme) bool {
	return s.basic == o.basic && s.realm == o.realm && s.service == o.service
}

// answeredLike tells whether a request that was signed for the one needs
// nothing else for the other.
func (s *scheme) answeredLike(o *scheme) bool { return s.same(o) && s.internal == o.internal }

// maxSchemes bounds what is remembered of registries: 1024 of some 500 bytes,
// and of no more than the 16 KiB of a challenge. Beyond it all is forgotten and
// costs one challenge again.
const maxSchemes = 1024

// schemes remembers one scheme for each origin, and others for the paths where
// they differ: some registries have a token server for each project. Requests
// without scopes of their own are remembered apart, with the challenge's.
type schemes struct {
	mu      sync.Mutex
	general map[origin]*scheme
	own     map[schemeKey]*scheme
}

type schemeKey struct {
	at        origin
	path      string
	scopeless bool
}

func (m *schemes) find(at origin, path string, scopeless bool) *scheme {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.own[schemeKey{at, path, scopeless}]; s != nil {
		return s
	}
	s := m.general[at]
	if s != nil && scopeless && !s.basic {
		return nil // which scope to ask for is for the challenge to say
	}
	return s
}

// learn keeps s for its path. The first one is the origin's as well, until the
// path that it came from contradicts it: then the registry has moved, and is
// not one with a token server for each project.
func (m *schemes) learn(at origin, scopeless bool, s *scheme) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.general == nil || len(m.general)+len(m.own) >= maxSchemes {
		m.general, m.own = make(map[origin]*scheme), make(map[schemeKey]*scheme)
	}
	general := m.general[at]
	if general == nil || general.path == s.path && !general.answeredLike(s) {
		m.general[at], general = s, s
	}
	key := schemeKey{at, s.path, scopeless}
	if scopeless || !general.answeredLike(s) {
		m.own[key] = s
	} else {
		delete(m.own, key)
	}
}
