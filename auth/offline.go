package auth

import (
	"net/url"
	"strings"
	"sync"
)

// offlineToken is what a login has to do with refresh tokens. No other signer
// asks for one or keeps one that it is given. Its methods may be called on nil.
type offlineToken struct {
	ask bool

	mu  sync.Mutex
	got Secret // the last one
}

// askWithGet asks with a password (distribution, token specification).
func (o *offlineToken) askWithGet(q url.Values, c Credential) {
	if o != nil && o.ask && c.hasPassword() {
		q.Set("offline_token", "true")
		q.Set("client_id", clientID) // such a token is for one client
	}
}

// askWithPost asks with an identity token (distribution, OAuth 2 specification).
func (o *offlineToken) askWithPost(form url.Values) {
	if o != nil && o.ask {
		form.Set("access_type", "offline")
	}
}

func (o *offlineToken) keep(text string) {
	if o == nil || text == "" || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.got = NewSecret(text)
}

func (o *offlineToken) kept() Secret {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.got
}
