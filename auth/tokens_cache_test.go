package auth

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Within one signer too a token belongs to a credential, an origin, a realm
// and a service: what differs in one of them does not share it.
func Test41TokensOfOneSigner(t *testing.T) {
	var c tokenCache
	s := newSigner(t, nil)
	now := time.Now()
	scopes := parseScopes("repository:a:pull")
	key := tokenKey{who: s.fingerprint(password("bob", "x")), at: origin{"https", "r.example"}, realm: "https://t.example", service: "reg"}
	c.add(&token{key: key, scopes: scopes, renew: now.Add(time.Minute)}, now)
	if c.find(key, scopes, now) == nil {
		t.Fatal("the token is not found at all")
	}
	for name, change := range map[string]func(*tokenKey){
		"user":      func(k *tokenKey) { k.who = s.fingerprint(password("eve", "x")) },
		"password":  func(k *tokenKey) { k.who = s.fingerprint(password("bob", "y")) },
		"shifted":   func(k *tokenKey) { k.who = s.fingerprint(password("bobx", "")) },
		"kind":      func(k *tokenKey) { k.who = s.fingerprint(Credential{Username: "bob", IdentityToken: NewSecret("x")}) },
		"anonymous": func(k *tokenKey) { k.who = s.fingerprint(Credential{}) },
		"family":    func(k *tokenKey) { k.who = s.With(nil).fingerprint(password("bob", "x")) },
		"scheme":    func(k *tokenKey) { k.at.scheme = "http" },
		"host":      func(k *tokenKey) { k.at.host = "s.example" },
		"realm":     func(k *tokenKey) { k.realm = "https://u.example" },
		"service":   func(k *tokenKey) { k.service = "other" },
	} {
		other := key
		change(&other)
		if c.find(other, scopes, now) != nil {
			t.Errorf("%s: the token is found", name)
		}
	}
	ones := map[fingerprint]Credential{}
	for _, secret := range []string{"x", "y"} {
		for _, user := range []string{"", "bob"} {
			for _, c := range []Credential{password(user, secret), {Username: user, IdentityToken: NewSecret(secret)}, {Username: user, RegistryToken: NewSecret(secret)}} {
				ones[s.fingerprint(c)] = c
			}
		}
	}
	if len(ones) != 12 {
		t.Errorf("12 credentials have %d fingerprints", len(ones))
	}
	if text := fmt.Sprintf("%x", key.who); strings.Contains(text, fmt.Sprintf("%x", "bob")) {
		t.Error("the fingerprint shows the user")
	}
}

// A signer holds so many tokens and registries and no more; what goes first is
// what has ended, then what another one makes needless, then what ends soonest.
func TestWhatASignerKeepsIsBounded(t *testing.T) {
	var c tokenCache
	now := time.Now()
	at := func(i int, actions ...string) *token {
		return &token{scopes: []Scope{RepositoryScope(fmt.Sprint("r", i), actions...)}, renew: now.Add(time.Hour + time.Duration(i)*time.Second)}
	}
	for i := range maxTokens + 50 {
		c.add(at(i, "pull"), now)
	}
	if n := len(c.tokens); n != maxTokens || len(c.shelf) != maxTokens+1 {
		t.Errorf("%d tokens on %d shelves", n, len(c.shelf))
	}
	for i, want := range map[int]bool{0: false, 49: false, 50: true, maxTokens + 49: true} {
		if got := c.find(tokenKey{}, at(i, "pull").scopes, now) != nil; got != want {
			t.Errorf("token %d is there: %v", i, got)
		}
	}
	c.add(at(60, "pull", "push"), now)
	if n := len(c.tokens); n != maxTokens {
		t.Errorf("%d tokens after one was replaced", n)
	}
	if got := c.find(tokenKey{}, at(60, "pull").scopes, now); got == nil || len(c.shelf[shelf{prefix: "repository:r60"}]) != 1 {
		t.Error("the needless one is there still")
	}
	c.drop(c.find(tokenKey{}, at(60, "push").scopes, now))
	if c.find(tokenKey{}, at(60, "pull").scopes, now) != nil {
		t.Error("a dropped token is found")
	}
	c.add(at(10000, "pull"), now.Add(2*time.Hour))
	if n := len(c.tokens); n != 1 || len(c.shelf) != 2 {
		t.Errorf("%d tokens on %d shelves, though all but one have ended", n, len(c.shelf))
	}
	for i := range 200 {
		long := at(i, "pull")
		long.text, long.renew = NewSecret(strings.Repeat("x", maxTokenAnswer)), now.Add(9*time.Hour)
		c.add(long, now)
	}
	if n := len(c.tokens); n != maxTokenBytes/maxTokenAnswer-1 || c.bytes > maxTokenBytes || c.bytes < n*maxTokenAnswer {
		t.Errorf("%d long tokens of %d bytes", n, c.bytes)
	}
	for _, long := range slices.Clone(c.tokens) {
		c.drop(long)
	}
	if c.bytes != 0 || len(c.shelf) != 0 {
		t.Errorf("%d bytes on %d shelves are left of nothing", c.bytes, len(c.shelf))
	}
	var m schemes
	for i := range 3 * maxSchemes {
		m.learn(origin{"https", fmt.Sprint("h", i/2)}, i%2 == 1, &scheme{basic: true, path: "p"})
		if n := len(m.general) + len(m.own); n > maxSchemes+1 {
			t.Fatalf("%d schemes", n)
		}
	}
	if m.find(origin{"https", fmt.Sprint("h", (3*maxSchemes-1)/2)}, "p", false) == nil {
		t.Error("the last scheme is forgotten")
	}
}

// A token with several scopes is found by each of them, and by none.
func TestTokenCacheShelves(t *testing.T) {
	var c tokenCache
	now := time.Now()
	c.add(&token{scopes: parseScopes("repository:a:pull,push aws repository:b:pull"), renew: now.Add(time.Minute)}, now)
	for need, want := range map[string]bool{
		"": true, "repository:a:pull": true, "repository:b:pull": true, "aws": true, "aws repository:a:push": true, "repository:b:pull repository:a:pull": true,
		"repository:b:push": false, "repository:c:pull": false, "repository:a:pull repository:c:pull": false, "repository:a": false, "gcp": false,
	} {
		if got := c.find(tokenKey{}, parseScopes(need), now) != nil; got != want {
			t.Errorf("%q: found %v", need, got)
		}
	}
}
