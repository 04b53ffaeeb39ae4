package auth

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// MemoryStore keeps credentials in memory, for hosts and for paths under
// them; the longest path that covers a resource answers. Its zero value is
// empty and ready. It is safe for concurrent use and must not be copied.
type MemoryStore struct {
	mu   sync.RWMutex
	kept map[Resource]Credential
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore { return &MemoryStore{} }

// Format writes the type's name, for every verb.
func (m *MemoryStore) Format(f fmt.State, _ rune) { io.WriteString(f, "auth.MemoryStore") }

// Credential implements Provider; its only error is ErrNoCredential.
func (m *MemoryStore) Credential(_ context.Context, r Resource) (Credential, error) {
	r = r.canonical()
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, path := range append(r.paths(), "") {
		if c, found := m.kept[Resource{r.Host, path}]; found {
			return c, nil
		}
	}
	return Credential{}, ErrNoCredential
}

// Put implements Store. A credential that is empty, or that has a user name
// which cannot be sent, is an error.
func (m *MemoryStore) Put(_ context.Context, r Resource, c Credential) (Origin, error) {
	if err := c.check(); err != nil {
		return Origin{}, fmt.Errorf("keep the credential for %s: %w", r, err)
	}
	r = r.canonical()
	c.Origin = Origin{Kind: "memory", Key: r.String()}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = make(map[Resource]Credential)
	}
	m.kept[r] = c
	return c.Origin, nil
}

// Delete implements Store; it does not fail.
func (m *MemoryStore) Delete(_ context.Context, r Resource) ([]Origin, error) {
	r = r.canonical()
	m.mu.Lock()
	defer m.mu.Unlock()
	c, found := m.kept[r]
	if !found {
		return nil, nil
	}
	delete(m.kept, r)
	return []Origin{c.Origin}, nil
}

// List implements Store; it does not fail.
func (m *MemoryStore) List(context.Context) ([]Entry, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var list []Entry
	for r, c := range m.kept {
		list = append(list, Entry{Resource: r, Username: c.Username, Kind: c.kind(), Origin: c.Origin})
	}
	sortEntries(list)
	return list, nil
}

// Explain implements Explainer.
func (m *MemoryStore) Explain(ctx context.Context, r Resource) []Finding {
	c, err := m.Credential(ctx, r)
	f := finding(Origin{Kind: "memory"}, c, err)
	if f.Outcome == OutcomeNone {
		m.mu.RLock()
		defer m.mu.RUnlock()
		f.Reason = fmt.Sprintf("it holds %d credentials, and none for this host or path", len(m.kept))
	}
	return []Finding{f}
}
