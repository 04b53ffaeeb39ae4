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
}

func newScheme(c challenge, internal bool) *scheme {
	return &scheme{
		basic:    c.scheme == "basic",
		realm:    c.params["realm"],
		service:  c.params["service"],
		scopes:   parseScopes(c.params["scope"]),
		internal: internal,
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

// maxSchemes bounds what is remembered of registries; beyond it all is
// forgotten and costs one challenge again.
const maxSchemes = 4096

// schemes remembers one scheme for each origin, and others for the paths where
// they differ: some registries have a token server for each project. Requests
// without scopes of their own are remembered apart, with the challenge's.
type schemes struct {
	mu   sync.Mutex
	kept map[schemeKey]*scheme
}

type schemeKey struct {
	at        origin
	path      string
	scopeless bool
}

func (m *schemes) find(at origin, path string, scopeless bool) *scheme {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.kept[schemeKey{at, path, scopeless}]; s != nil {
		return s
	}
	s := m.kept[schemeKey{at: at}]
	if s != nil && scopeless && !s.basic {
		return nil // which scope to ask for is for the challenge to say
	}
	return s
}

func (m *schemes) learn(at origin, path string, scopeless bool, s *scheme) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil || len(m.kept) >= maxSchemes {
		m.kept = make(map[schemeKey]*scheme)
	}
	general := m.kept[schemeKey{at: at}]
	if general == nil {
		m.kept[schemeKey{at: at}] = s
	}
	if scopeless || general != nil && (!general.same(s) || general.internal != s.internal) {
		m.kept[schemeKey{at, path, scopeless}] = s
	}
}
