package registry_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func Test58CertDirsReachARegistry(t *testing.T) {
	a := newHostsAuthority(t)
	m := newHostsMutual(t, a)
	if runtime.GOOS == "windows" {
		t.Skip("directories have no colon there")
	}
	cert, key := a.pair(t, 7, time.Hour)
	first, second := t.TempDir(), t.TempDir()
	hostsWrite(t, m.root, second, m.host, "authority.crt")
	hostsWrite(t, cert, second, m.host, "client.cert")
	hostsWrite(t, key, second, m.host, "client.key")
	hostsWrite(t, "not looked at", second, m.host, "README")
	for name, hosts := range map[string]func(string) (registry.HostConfig, error){
		"docker":     registry.DockerCerts(first, second),
		"containers": registry.ContainersCerts(filepath.Join(first, "absent"), second),
	} {
		if got, err := m.ask(t, hostsOpen(t, m.host, hosts)); got != 7 || !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: certificate %d, %v", name, got, err)
		}
		// The first directory of the host counts, alone.
		if config, err := hosts("other.example"); err != nil || config.TLS != nil {
			t.Errorf("%s: a host without a directory: %+v, %v", name, config, err)
		}
	}
	hostsWrite(t, "empty", first, m.host, "README")
	if _, err := hostsOpen(t, m.host, registry.DockerCerts(first, second)).Resolve(t.Context(), "1"); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("an earlier directory without certificates: %v", err)
	}
}

func Test58CertDirRefuses(t *testing.T) {
	a := newHostsAuthority(t)
	cert, key := a.pair(t, 1, time.Hour)
	_, other := a.pair(t, 2, time.Hour)
	half := cert[:len(cert)/2] + "\n"
	for name, tc := range map[string]struct {
		files map[string]string
		says  []string
	}{
		"certificate without key":    {map[string]string{"x.cert": cert}, []string{"x.cert", "x.key is missing"}},
		"key without certificate":    {map[string]string{"x.key": key}, []string{"x.key", "x.cert is missing"}},
		"certificate of another":     {map[string]string{"x.cert": cert, "x.key": other}, []string{"x.cert", "x.key"}},
		"empty authority":            {map[string]string{"ca.crt": ""}, []string{"ca.crt", "no PEM certificate"}},
		"broken block":               {map[string]string{"ca.crt": cert + "\n\n" + half}, []string{"ca.crt", "line " + hostsLine(cert, 3)}},
		"broken block before a good": {map[string]string{"ca.crt": half + cert}, []string{"ca.crt", "line 1"}},
		"no certificate in a block":  {map[string]string{"ca.crt": cert + hostsPEM("CERTIFICATE", []byte("none"))}, []string{"ca.crt", "line " + hostsLine(cert, 1)}},
		"too large":                  {map[string]string{"ca.crt": strings.Repeat("#", 5<<20)}, []string{"ca.crt", "limit"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range tc.files {
				hostsWrite(t, content, dir, file)
			}
			_, err := registry.LoadCertDir(dir)
			for _, word := range tc.says {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("error = %v, want one that says %q", err, word)
				}
			}
		})
	}
	if _, err := registry.LoadCertDir(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent directory: %v", err)
	}
	if got, err := registry.LoadCertDir(t.TempDir()); got != nil || err != nil {
		t.Errorf("empty directory: %v, %v", got, err)
	}
}

// hostsLine is the number of the line that comes n lines after a text.
func hostsLine(text string, n int) string {
	return string(rune('0'+(strings.Count(text, "\n")+n)/10)) + string(rune('0'+(strings.Count(text, "\n")+n)%10))
}

// Test58CertDirDanglingLink: only the directory may be missing, not what a link
// in it promises.
func Test58CertDirDanglingLink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "r.example"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("absent", filepath.Join(dir, "r.example", "ca.crt")); err != nil {
		t.Skip(err)
	}
	if _, err := registry.DockerCerts(dir)("r.example"); err == nil || !strings.Contains(err.Error(), "ca.crt") {
		t.Errorf("error = %v, want one that names the link", err)
	}
}

// Test58CertDirsStayInside: hosts are also what redirects name.
func Test58CertDirsStayInside(t *testing.T) {
	dir := t.TempDir()
	hostsWrite(t, "broken", dir, "ca.crt")
	hosts := registry.DockerCerts(filepath.Join(dir, "certs.d"), dir)
	if err := os.Mkdir(filepath.Join(dir, "certs.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"", ".", "..", "../" + filepath.Base(dir), `..\x`, "/"} {
		if config, err := hosts(host); err != nil || config.TLS != nil {
			t.Errorf("%q: %+v, %v", host, config, err)
		}
	}
}

// Test58DefaultClientReadsCertsD is what a user has who once set docker up.
func Test58DefaultClientReadsCertsD(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("directories have no colon there")
	}
	s := server(t, &registrytest.Options{TLS: true})
	root := hostsPEM("CERTIFICATE", s.Certificate().Raw)
	for name, dir := range map[string]string{
		"docker's configuration": "docker/certs.d",
		"rootless docker":        "config/docker/certs.d",
		"containers":             "config/containers/certs.d",
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			t.Setenv("HOME", home)
			t.Setenv("DOCKER_CONFIG", filepath.Join(home, "docker"))
			t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
			t.Setenv("HELM_REGISTRY_CONFIG", filepath.Join(home, "helm.json"))
			hostsWrite(t, root, home, dir, s.Host, "ca.crt")
			client, err := registry.NewDefault()
			if err != nil {
				t.Fatal(err)
			}
			repo, err := client.Repository(registry.Reference{Host: s.Host, Repository: "a"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := repo.Resolve(t.Context(), "1"); !errors.Is(err, registry.ErrNotFound) {
				t.Error(err)
			}
		})
	}
}
