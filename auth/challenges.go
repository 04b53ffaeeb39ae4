package auth

import "net/http"

// Challenge is one way in which a server asks to be answered (RFC 9110, section
// 11.6.1). Its texts are the server's own, and may be anything.
type Challenge struct {
	Scheme  string // lower case: "bearer", "basic", "negotiate"
	Realm   string // of bearer: the address of the token server
	Service string // of bearer: the name by which the token server knows the registry
	Scope   string // of bearer: what a token must allow, separated by spaces
}

// Challenges reads the WWW-Authenticate headers of an answer, in their order:
// at most 32 challenges, of at most 16 KiB each header. What it does not
// understand it leaves out.
func Challenges(h http.Header) []Challenge {
	var list []Challenge
	for _, c := range parseChallenges(h) {
		list = append(list, Challenge{Scheme: c.scheme, Realm: c.params["realm"], Service: c.params["service"], Scope: c.params["scope"]})
	}
	return list
}
