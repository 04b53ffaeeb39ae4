package auth

import (
	"context"
	"errors"
	"testing"
)

func TestForHosts(t *testing.T) {
	asked := 0
	all := ProviderFunc(func(context.Context, Resource) (Credential, error) {
		asked++
		return named("ann"), nil
	})
	p, err := ForHosts(all, "*.azurecr.io", "*.dkr.ecr.*.amazonaws.com", "ghcr.io/team", "localhost:5000", "docker.io")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		resource string
		want     bool
	}{
		{"team.azurecr.io", true},
		{"team.azurecr.io/app", true},
		{"1.dkr.ecr.us-east-1.amazonaws.com", true},
		{"ghcr.io/team", true},
		{"ghcr.io/team/app", true},
		{"localhost:5000", true},
		{"registry-1.docker.io/library/app", true},
		{"azurecr.io", false},
		{"a.b.azurecr.io", false},
		{"team.azurecr.io.example.com", false},
		{"team.azurecr.io:8443", false},
		{"xazurecr.io", false},
		{"1.dkr.ecr.us-east-1.amazonaws.com.evil.example", false},
		{"ghcr.io", false},
		{"ghcr.io/teams", false},
		{"localhost", false},
		{"localhost:5001", false},
	} {
		r, err := ParseResource(tc.resource)
		if err != nil {
			t.Fatal(err)
		}
		before := asked
		_, err = p.Credential(t.Context(), r)
		if got := err == nil; got != tc.want || !tc.want && (!errors.Is(err, ErrNoCredential) || asked != before) {
			t.Errorf("%s: %v, asked %d times; want it covered: %v", tc.resource, err, asked-before, tc.want)
		}
	}
}

func TestForHostsRefuses(t *testing.T) {
	for name, patterns := range map[string][]string{
		"none":          nil,
		"empty":         {""},
		"a scheme":      {"https://ghcr.io"},
		"a wild port":   {"ghcr.io:*"},
		"a bad bracket": {"gh[cr.io"},
		"user":          {"me@ghcr.io"},
	} {
		if _, err := ForHosts(Chain(), patterns...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := ForHosts(nil, "ghcr.io"); err == nil {
		t.Error("no provider: no error")
	}
}
