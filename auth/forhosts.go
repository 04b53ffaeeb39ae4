package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ForHosts asks p only for resources that one of the patterns covers, and has
// no credential for any other: what a vendor's provider hands out shall not go
// to a host that only looks like the vendor's. A pattern is host[:port][/path],
// where each label of the host may have wildcards (* ? [a-z]) that never reach
// over a dot: "*.azurecr.io" covers team.azurecr.io, and neither azurecr.io nor
// a.b.azurecr.io nor team.azurecr.io.example.com. The port must be the same, or
// absent in both; a path covers what lies below it. No pattern, and one that
// is malformed, is an error.
func ForHosts(p Provider, patterns ...string) (Provider, error) {
	if p == nil {
		return nil, errors.New("credentials for some hosts: no provider")
	}
	if len(patterns) == 0 {
		return nil, errors.New("credentials for some hosts: no host")
	}
	f := &forHosts{provider: p}
	for _, text := range patterns {
		pattern, err := parseImagePattern(text)
		if err == nil && strings.Contains(text, "://") {
			err = errors.New("it has a scheme")
		}
		if err != nil {
			return nil, fmt.Errorf("credentials for some hosts: pattern %q: %w", text, err)
		}
		f.patterns = append(f.patterns, pattern)
	}
	return f, nil
}

type forHosts struct {
	provider Provider
	patterns []imagePattern
}

func (f *forHosts) covers(r Resource) bool {
	for _, p := range f.patterns {
		if p.matches(r) {
			return true
		}
	}
	return false
}

// Credential implements Provider.
func (f *forHosts) Credential(ctx context.Context, r Resource) (Credential, error) {
	if !f.covers(r) {
		return Credential{}, ErrNoCredential
	}
	return f.provider.Credential(ctx, r)
}

// Renew implements Renewer.
func (f *forHosts) Renew(ctx context.Context, r Resource, rejected Credential) (Credential, error) {
	if !f.covers(r) {
		return Credential{}, ErrNoCredential
	}
	return renew(ctx, f.provider, r, rejected)
}

// Explain implements Explainer. Of a host that is not covered it says so,
// without asking the provider.
func (f *forHosts) Explain(ctx context.Context, r Resource) []Finding {
	if !f.covers(r) {
		return []Finding{{Origin: Origin{Kind: "provider"}, Outcome: OutcomeNone, Reason: "it is for other hosts"}}
	}
	return explain(ctx, f.provider, r)
}
