package e2e_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestLoginCrowdOfOthers logs in to twenty registries at once while crane,
// which writes with docker's own code and takes no lock, does the same to
// others again and again. No entry of portolan's is lost. Those of crane may
// be, by another crane: nobody looks after them.
//
// Helm is not in this crowd: it reads the file when it starts, asks the
// registry, and then writes what it had read, which may be long ago.
func TestLoginCrowdOfOthers(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{htpasswd: true})
	u := newUser(t)
	var hosts []string
	for range crowdHosts {
		hosts = append(hosts, crowdForward(t, reg))
	}
	var others []func() error
	for i := range 2 {
		others = append(others, crowdRepeat(func() error {
			if r := u.start(password, crane.binary(t), "auth", "login", fmt.Sprintf("crane-%d.example", i), "-u", userName, "--password-stdin"); r.code != 0 {
				return fmt.Errorf("%s: %s", r.line, r.stderr)
			}
			return nil
		}, 5*time.Millisecond))
	}
	bin := mustPortolan(t)
	var all sync.WaitGroup
	for _, host := range hosts {
		all.Go(func() {
			if r := u.start(password, bin, "login", host, "-u", userName, "--password-stdin"); r.code != 0 {
				t.Errorf("%s: %d %s", r.line, r.code, r.stderr)
			}
		})
	}
	all.Wait()
	for _, end := range others {
		if err := end(); err != nil {
			t.Error(err)
		}
	}
	entries, err := crowdEntries(u.dockerFile())
	for _, host := range hosts {
		if _, there := entries[host]; !there {
			err = errors.Join(err, fmt.Errorf("the entry of %s is lost", host))
		}
	}
	if err != nil {
		t.Error(err)
	}
}
