package main

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/portolan-oci/portolan/cache"
)

// modeFlags say when the cache answers and when the registry is asked.
type modeFlags struct {
	offline      bool
	maxAge       time.Duration
	staleIfError time.Duration
	moved        string
}

func (m *modeFlags) registerModes(flags *pflag.FlagSet) {
	flags.BoolVar(&m.offline, "offline", false, "use the cache alone")
	flags.DurationVar(&m.maxAge, "max-age", 0, "trust the cache's tags for this `duration`, as in 10m, before asking the registry again")
	flags.DurationVar(&m.staleIfError, "stale-if-error", 0, "where a registry does not answer, take what it said no longer than this `duration` ago, as in 24h (default: fail)")
	flags.StringVar(&m.moved, "moved", "warn", "what to do when a version's tag names other content than it did: note it in the result, warn, or refuse")
}

func (m *modeFlags) checkModes() error {
	if m.maxAge < 0 || m.staleIfError < 0 {
		return usagef("--max-age and --stale-if-error: a duration is not negative")
	}
	if _, ok := movedPolicies[m.moved]; !ok {
		return usagef("--moved %s: note, warn or refuse", m.moved)
	}
	return nil
}

var movedPolicies = map[string]cache.MovedPolicy{"note": cache.NoteMoved, "warn": cache.WarnMoved, "refuse": cache.RefuseMoved}

func (m *modeFlags) policy() cache.Policy {
	return cache.Policy{MaxAge: m.maxAge, StaleIfError: m.staleIfError, Offline: m.offline, Moved: movedPolicies[m.moved]}
}
