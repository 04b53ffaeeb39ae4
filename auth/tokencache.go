package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

// The tokens that one signer holds: 512 of 4 KiB are 2 MiB. A token is for one
// repository scope, so this is many repositories. A token server may send 32
// times as much, so the sum is bounded too.
const (
	maxTokens     = 512
	maxTokenBytes = 8 << 20
)

// fingerprint names a credential without holding it: an HMAC under a key that
// never leaves the signer.
type fingerprint [sha256.Size]byte

func (s *Signer) fingerprint(c Credential) fingerprint {
	if c.IsZero() {
		return fingerprint{}
	}
	mac := hmac.New(sha256.New, s.key[:])
	for _, part := range []string{c.Username, c.Password.Reveal(), c.IdentityToken.Reveal(), c.RegistryToken.Reveal()} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		mac.Write(size[:])
		mac.Write([]byte(part))
	}
	return fingerprint(mac.Sum(nil))
}

// tokenKey is whom a token is for and who gave it. Tokens are shared only
// where all of it is equal, so no identity ever uses another's.
type tokenKey struct {
	who            fingerprint
	at             origin
	realm, service string
}

type token struct {
	key     tokenKey
	scopes  []Scope // what it was asked for; asking again would give no more
	granted []Scope // what it carries, where its server said so
	text    Secret
	born    time.Time // when it was asked for
	renew   time.Time // from here on another one is fetched
}

// tokenCache holds live tokens. A token serves every request whose scopes it
// contains, so one for pull,push serves a pull. The zero value is ready.
type tokenCache struct {
	mu     sync.Mutex
	tokens []*token
	bytes  int // of all of them
	shelf  map[shelf][]*token
}

// shelf is where a token is looked for: under each resource that it has a
// scope of, and under none. All of a signer's tokens may have one key, and a
// look along 512 of them takes 20 µs, in which nobody else can look.
type shelf struct {
	tokenKey
	prefix string
}

func (t *token) shelves() []shelf {
	list := []shelf{{t.key, ""}}
	for _, s := range t.scopes {
		list = append(list, shelf{t.key, s.prefix})
	}
	return list
}

func (t *token) bytes() int {
	n := len(t.text.Reveal())
	for _, s := range t.scopes {
		n += len(s.prefix) + len(s.actions)
	}
	for _, s := range t.granted {
		n += len(s.prefix) + len(s.actions)
	}
	return n
}

func (c *tokenCache) find(key tokenKey, scopes []Scope, now time.Time) *token {
	at := shelf{tokenKey: key}
	if len(scopes) > 0 {
		at.prefix = scopes[0].prefix
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.shelf[at] {
		if now.Before(t.renew) && containsAll(t.scopes, scopes) {
			return t
		}
	}
	return nil
}

// add keeps t in place of those that it makes needless, and where there are
// too many of the one that is the nearest to its end.
func (c *tokenCache) add(t *token, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(func(old *token) bool {
		return !now.Before(old.renew) || old.key == t.key && containsAll(t.scopes, old.scopes)
	})
	for len(c.tokens) >= maxTokens || len(c.tokens) > 0 && c.bytes+t.bytes() > maxTokenBytes {
		first := slices.MinFunc(c.tokens, func(a, b *token) int { return a.renew.Compare(b.renew) })
		c.remove(func(old *token) bool { return old == first })
	}
	c.tokens, c.bytes = append(c.tokens, t), c.bytes+t.bytes()
	if c.shelf == nil {
		c.shelf = make(map[shelf][]*token)
	}
	for _, at := range t.shelves() {
		c.shelf[at] = append(c.shelf[at], t)
	}
}

// drop forgets t, which the registry no longer takes.
func (c *tokenCache) drop(t *token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(func(old *token) bool { return old == t })
}

func (c *tokenCache) remove(goes func(*token) bool) {
	c.tokens = slices.DeleteFunc(c.tokens, func(t *token) bool {
		if !goes(t) {
			return false
		}
		c.bytes -= t.bytes()
		for _, at := range t.shelves() {
			c.shelf[at] = slices.DeleteFunc(c.shelf[at], func(o *token) bool { return o == t })
			if len(c.shelf[at]) == 0 {
				delete(c.shelf, at)
			}
		}
		return true
	})
}
