package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// scripted gives one answer after the other, the last one for ever.
type scripted struct {
	asked   atomic.Int32
	answers []func() (Credential, error)
}

func (s *scripted) Credential(context.Context, Resource) (Credential, error) {
	n := int(s.asked.Add(1)) - 1
	return s.answers[min(n, len(s.answers)-1)]()
}

func (s *scripted) then(c Credential, err error) *scripted {
	s.answers = append(s.answers, func() (Credential, error) { return c, err })
	return s
}

func named(name string) Credential {
	return Credential{Username: name, Password: NewSecret(canary + name)}
}

// Test29Cached shows how long answers are kept: credentials for their time,
// and that there is none for a shorter one.
func Test29Cached(t *testing.T) {
	r := Resource{Host: "registry.example.com"}
	broken := errors.New("the helper is broken")
	expiring := func(name string, left time.Duration) func() (Credential, error) {
		return func() (Credential, error) {
			c := named(name)
			c.Expires = time.Now().Add(left)
			return c, nil
		}
	}
	type step struct {
		after time.Duration
		want  string // the user name, or the error
		asked int32
	}
	for _, tc := range []struct {
		name  string
		from  *scripted
		steps []step
	}{
		{"a credential without an end", new(scripted).then(named("a"), nil).then(named("b"), nil), []step{
			{0, "a", 1}, {4*time.Minute + 49*time.Second, "a", 1}, {time.Second, "b", 2},
		}},
		{"none", new(scripted).then(Credential{}, ErrNoCredential).then(named("b"), nil), []step{
			{0, "no credential", 1}, {9 * time.Second, "no credential", 1}, {time.Second, "b", 2},
		}},
		{"a failure", new(scripted).then(Credential{}, broken).then(named("b"), nil), []step{
			{0, "the helper is broken", 1}, {9 * time.Second, "the helper is broken", 1}, {time.Second, "b", 2},
		}},
		{"five minutes are renewed 30 s early, and short ones by a fifth", &scripted{answers: []func() (Credential, error){
			expiring("a", 5*time.Minute), expiring("b", 50*time.Second), expiring("c", time.Hour),
		}}, []step{{0, "a", 1}, {269 * time.Second, "a", 1}, {time.Second, "b", 2}, {39 * time.Second, "b", 2}, {time.Second, "c", 3}}},
		{"a source that fails at the renewal", (&scripted{answers: []func() (Credential, error){expiring("a", 5*time.Minute)}}).
			then(Credential{}, broken).then(Credential{}, broken).then(named("b"), nil), []step{
			{0, "a", 1}, {275 * time.Second, "a", 2}, {9 * time.Second, "a", 2}, {time.Second, "a", 3}, {16 * time.Second, "b", 4},
		}},
		{"a source that has none any more", (&scripted{answers: []func() (Credential, error){expiring("a", 5*time.Minute)}}).
			then(Credential{}, ErrNoCredential), []step{{0, "a", 1}, {275 * time.Second, "no credential", 2}}},
		{"one that has ended when it comes", &scripted{answers: []func() (Credential, error){expiring("a", -time.Second)}}, []step{
			{0, "a", 1}, {0, "a", 2},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, err := Cached(tc.from, nil)
				if err != nil {
					t.Fatal(err)
				}
				for i, s := range tc.steps {
					time.Sleep(s.after)
					c, err := p.Credential(t.Context(), r)
					got := c.Username
					if err != nil {
						got = err.Error()
					}
					if got != s.want || tc.from.asked.Load() != s.asked {
						t.Fatalf("step %d: %q after asking %d times, want %q after %d", i, got, tc.from.asked.Load(), s.want, s.asked)
					}
				}
			})
		})
	}
}

// Test29CachedRejected shows that what a registry has rejected is not kept,
// through a chain as well, and that one renewal serves all who ask for it.
func Test29CachedRejected(t *testing.T) {
	from := new(scripted).then(named("a"), nil).then(named("b"), nil)
	inner, err := Cached(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	outer, err := Cached(Chain(new(MemoryStore), inner), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := Resource{Host: "registry.example.com", Path: "team/app"}
	if c, err := outer.Credential(t.Context(), r); err != nil || c.Username != "a" {
		t.Fatalf("%q, %v", c.Username, err)
	}
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if c, err := renew(t.Context(), outer, r, named("a")); err != nil || c.Username != "b" {
				t.Errorf("after a was rejected: %q, %v", c.Username, err)
			}
		})
	}
	group.Wait()
	if c, err := outer.Credential(t.Context(), r); err != nil || c.Username != "b" || from.asked.Load() != 2 {
		t.Errorf("later: %q, %v, after asking %d times", c.Username, err, from.asked.Load())
	}
}

// What Cached returns renews and explains, whatever it is around.
func TestCachedIsRenewerAndExplainer(t *testing.T) {
	p, err := Cached(ProviderFunc(func(context.Context, Resource) (Credential, error) { return named("a"), nil }), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := p.(Renewer); !ok {
		t.Error("it is no Renewer")
	}
	if _, ok := p.(Explainer); !ok {
		t.Error("it is no Explainer")
	}
}

func TestCachedRefuses(t *testing.T) {
	for name, open := range map[string]func() (Provider, error){
		"no provider":    func() (Provider, error) { return Cached(nil, nil) },
		"a negative TTL": func() (Provider, error) { return Cached(new(MemoryStore), &CacheOptions{TTL: -1}) },
	} {
		if p, err := open(); err == nil || p != nil {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}

func TestCachedIsBounded(t *testing.T) {
	p, err := Cached(new(scripted).then(named("a"), nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * maxAnswers {
		if _, err := p.Credential(t.Context(), Resource{Host: "h", Path: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(p.(*cached).answers.kept); n > maxAnswers {
		t.Errorf("%d answers are kept, want at most %d", n, maxAnswers)
	}
}

// TestDoSeesALoginElsewhere shows that a process which had no credential finds
// the one that somebody has stored because he was told to.
func TestDoSeesALoginElsewhere(t *testing.T) {
	w := newWorld(t)
	w.user, w.password = "ann", canary
	w.challenge = func() string { return `Basic realm="reg"` }
	store := new(MemoryStore)
	s := newSigner(t, &SignerOptions{Provider: store})
	now := time.Now()
	s.now = func() time.Time { return now }
	get := func() error {
		resp, err := s.Do(w.request(t, http.MethodGet, "team/app", ""), w.hint("team/app", "pull"), send)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	if err := get(); !errors.Is(err, ErrUnauthorized) {
		t.Fatalf("without a credential: %v", err)
	}
	if _, err := store.Put(t.Context(), w.resource(""), password("ann", canary)); err != nil {
		t.Fatal(err)
	}
	now = now.Add(defaultNegativeTTL)
	if err := get(); err != nil {
		t.Errorf("after the login: %v", err)
	}
}
