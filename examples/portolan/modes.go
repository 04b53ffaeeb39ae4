package main

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/portolan-oci/portolan/cache"
)

// modeFlags say when the cache answers and when the registry is asked.
type modeFlags struct {
	offline      bool
	maxAge       ageValue
	staleIfError ageValue
	moved        string
}

func (m *modeFlags) registerModes(flags *pflag.FlagSet) {
	flags.BoolVar(&m.offline, "offline", false, "use the cache alone")
	flags.Var(&m.maxAge, "max-age", "trust the cache's tags for this `time`, as in 10m or 1d, before asking the registry again")
	flags.Var(&m.staleIfError, "stale-if-error", "where a registry does not answer, take what it said no longer than this `time` ago, as in 24h or 7d (default: fail)")
	flags.StringVar(&m.moved, "moved", "warn", "what to do when a version's tag names other content than it did: note it in the result, warn, or refuse")
}

func (m *modeFlags) checkModes() error {
	if _, ok := movedPolicies[m.moved]; !ok {
		return usagef("--moved %s: note, warn or refuse", m.moved)
	}
	return nil
}

var movedPolicies = map[string]cache.MovedPolicy{"note": cache.NoteMoved, "warn": cache.WarnMoved, "refuse": cache.RefuseMoved}

func (m *modeFlags) policy() cache.Policy {
	return cache.Policy{MaxAge: time.Duration(m.maxAge), StaleIfError: time.Duration(m.staleIfError), Offline: m.offline, Moved: movedPolicies[m.moved]}
}
