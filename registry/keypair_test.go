package registry_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/registry"
)

// TestClientCertificateFollowsItsFiles turns a pair between handshakes, with
// every half-way state that a program which renews it leaves for a moment.
func TestClientCertificateFollowsItsFiles(t *testing.T) {
	a := newHostsAuthority(t)
	m := newHostsMutual(t, a)
	dir := t.TempDir()
	cert1, key1 := a.pair(t, 101, time.Hour)
	cert2, key2 := a.pair(t, 102, time.Hour)
	ca := hostsWrite(t, m.root, dir, "ca.pem")
	certFile, keyFile := hostsWrite(t, cert1, dir, "c.pem"), hostsWrite(t, key1, dir, "k.pem")
	loaded, err := registry.LoadTLS(ca, certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	repo := hostsOpen(t, m.host, func(string) (registry.HostConfig, error) { return registry.HostConfig{TLS: loaded}, nil })
	for _, step := range []struct {
		name string
		do   func()
		want int64
	}{
		{"as loaded", func() {}, 101},
		{"new certificate, old key", func() { hostsWrite(t, cert2, certFile) }, 101},
		{"new key too", func() { hostsWrite(t, key2, keyFile) }, 102},
		{"half a certificate", func() { hostsWrite(t, cert1[:len(cert1)/2], certFile) }, 102},
		{"no certificate", func() { os.Remove(certFile) }, 102},
		{"the first pair again, by renaming", func() {
			for from, to := range map[string]string{hostsWrite(t, cert1, dir, "n1"): certFile, hostsWrite(t, key1, dir, "n2"): keyFile} {
				if err := os.Rename(from, to); err != nil {
					t.Fatal(err)
				}
			}
		}, 101},
	} {
		step.do()
		if got, err := m.ask(t, repo); got != step.want || !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: certificate %d was shown (%v), want %d", step.name, got, err, step.want)
		}
	}
}

// TestBrokenPairAfterItsEnd has nothing valid left to show: the error names the
// files, and a good pair is taken up again.
func TestBrokenPairAfterItsEnd(t *testing.T) {
	a := newHostsAuthority(t)
	m := newHostsMutual(t, a)
	dir := t.TempDir()
	cert, key := a.pair(t, 103, -time.Minute)
	certFile, keyFile := hostsWrite(t, cert, dir, "c.pem"), hostsWrite(t, key, dir, "k.pem")
	loaded, err := registry.LoadTLS(hostsWrite(t, m.root, dir, "ca.pem"), certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	repo := hostsOpen(t, m.host, func(string) (registry.HostConfig, error) { return registry.HostConfig{TLS: loaded}, nil })
	hostsWrite(t, "half", certFile)
	if got, err := m.ask(t, repo); got != 0 || err == nil || !strings.Contains(err.Error(), certFile) {
		t.Errorf("certificate %d was shown (%v), want an error that names %s", got, err, certFile)
	}
	cert, key = a.pair(t, 104, time.Hour)
	hostsWrite(t, cert, certFile)
	hostsWrite(t, key, keyFile)
	if got, err := m.ask(t, repo); got != 104 {
		t.Errorf("certificate %d was shown (%v), want the new one", got, err)
	}
}

// TestClientCertificateIsChosen has a pair of another authority before the one
// that the server accepts, and a broken one behind it.
func TestClientCertificateIsChosen(t *testing.T) {
	a := newHostsAuthority(t)
	m := newHostsMutual(t, a)
	dir := t.TempDir()
	for i, from := range []*hostsAuthority{newHostsAuthority(t), a, a} {
		cert, key := from.pair(t, int64(105+i), time.Hour)
		stem := filepath.Join(dir, string(rune('a'+i)))
		hostsWrite(t, cert, stem+".cert")
		hostsWrite(t, key, stem+".key")
	}
	hostsWrite(t, m.root, dir, "ca.crt")
	loaded, err := registry.LoadCertDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	hostsWrite(t, "half", dir, "c.cert")
	repo := hostsOpen(t, m.host, func(string) (registry.HostConfig, error) { return registry.HostConfig{TLS: loaded}, nil })
	var group sync.WaitGroup
	for range 8 { // with -race: handshakes share the pairs
		group.Go(func() { repo.Resolve(t.Context(), "1") })
	}
	group.Wait()
	if got, err := m.ask(t, repo); got != 106 {
		t.Errorf("certificate %d was shown (%v), want the one of the server's authority", got, err)
	}
}
