package auth

import (
	"net/http"
	"strings"
)

// Bounds of what is read of a registry's challenges. net/http has bounded the
// header as a whole; these keep a hostile one from costing more than one look.
const (
	maxChallengeHeader = 16 << 10 // bytes of one header value: four times the longest URL in use
	maxChallenges      = 32
)

// challenge is one scheme of a WWW-Authenticate header, RFC 9110 section 11.3.
type challenge struct {
	scheme string            // lower case
	params map[string]string // by lower-case name; the first of a name counts
}

// parseChallenges reads all challenges of all WWW-Authenticate headers. What
// it does not understand it skips: registries put Negotiate before Basic, join
// challenges with commas, and leave realms without quotes.
func parseChallenges(h http.Header) []challenge {
	var list []challenge
	for _, value := range h.Values("WWW-Authenticate") {
		if len(value) > maxChallengeHeader {
			continue
		}
		s := &scanner{rest: value}
		for s.skip(" \t,"); s.rest != "" && len(list) < maxChallenges; s.skip(" \t,") {
			word := s.token()
			if word == "" {
				s.rest = s.rest[1:]
				continue
			}
			if text, found := s.param(); found {
				if len(list) > 0 {
					list[len(list)-1].set(word, text)
				}
				continue
			}
			list = append(list, challenge{scheme: strings.ToLower(word), params: map[string]string{}})
			s.token68()
		}
	}
	return list
}

func (c challenge) set(name, value string) {
	name = strings.ToLower(name)
	if _, found := c.params[name]; !found {
		c.params[name] = value
	}
}

// scanner consumes one header value from its front.
type scanner struct{ rest string }

func (s *scanner) skip(chars string) { s.rest = strings.TrimLeft(s.rest, chars) }

func (s *scanner) while(accept func(byte) bool) string {
	i := 0
	for i < len(s.rest) && accept(s.rest[i]) {
		i++
	}
	word := s.rest[:i]
	s.rest = s.rest[i:]
	return word
}

func (s *scanner) token() string { return s.while(isTokenChar) }

// param reads "= value" if that is what comes next. A value without quotes
// runs to the next comma or space, since realms are often given so.
func (s *scanner) param() (string, bool) {
	after := strings.TrimLeft(s.rest, " \t")
	if !strings.HasPrefix(after, "=") {
		return "", false
	}
	s.rest = strings.TrimLeft(after[1:], " \t")
	if strings.HasPrefix(s.rest, `"`) {
		return s.quoted(), true
	}
	return s.while(func(c byte) bool { return c != ',' && c != ' ' && c != '\t' }), true
}

func (s *scanner) quoted() string {
	var b strings.Builder
	i := 1
	for ; i < len(s.rest) && s.rest[i] != '"'; i++ {
		if s.rest[i] == '\\' && i+1 < len(s.rest) {
			i++
		}
		b.WriteByte(s.rest[i])
	}
	s.rest = s.rest[min(i+1, len(s.rest)):]
	return b.String()
}

// token68 skips the single value that schemes such as Negotiate carry, so that
// it is not taken for a scheme or a parameter.
func (s *scanner) token68() {
	trimmed := strings.TrimLeft(s.rest, " \t")
	if trimmed == s.rest {
		return
	}
	probe := &scanner{rest: trimmed}
	word := probe.while(func(c byte) bool { return isTokenChar(c) || c == '/' || c == ':' })
	pad := probe.while(func(c byte) bool { return c == '=' })
	probe.skip(" \t")
	atEnd := probe.rest == "" || probe.rest[0] == ','
	if word != "" && atEnd && (pad == "" || pad == "=" || pad == "==") {
		s.rest = probe.rest
	}
}

func isTokenChar(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// chooseChallenge takes the first Bearer that names a realm, else Basic. A
// Bearer without a realm can still be answered with a ready token, so it comes
// last.
func chooseChallenge(list []challenge) (challenge, bool) {
	var basic, bare *challenge
	for i, c := range list {
		switch {
		case c.scheme == "bearer" && c.params["realm"] != "":
			return c, true
		case c.scheme == "bearer" && bare == nil:
			bare = &list[i]
		case c.scheme == "basic" && basic == nil:
			basic = &list[i]
		}
	}
	switch {
	case basic != nil:
		return *basic, true
	case bare != nil:
		return *bare, true
	}
	return challenge{}, false
}
