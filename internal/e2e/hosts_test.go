package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hostsDead is an address at which nobody listens.
const hostsDead = "127.0.0.1:1"

func hostsWrite(t testing.TB, content string, elem ...string) string {
	t.Helper()
	name := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, name, []byte(content))
	return name
}

// TestCertsD reaches a registry that demands client certificates with what
// docker or podman have of it, and with nothing on the command line.
func TestCertsD(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	reg := startRegistry(t, registryOptions{ca: ca, mutual: true})
	cert, key := ca.clientFiles(t)
	c := smallChart(t, "harbour", "1.0.0")
	for name, dir := range map[string][]string{"docker": {"docker", "certs.d"}, "podman": {".config", "containers", "certs.d"}, "containerd": {".config", "containerd", "certs.d"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			dir := u.dir(append(dir, reg.host)...)
			for from, to := range map[string]string{ca.file: "ca.crt", cert: "client.cert", key: "client.key"} {
				content, err := os.ReadFile(from)
				if err != nil {
					t.Fatal(err)
				}
				hostsWrite(t, string(content), dir, to)
			}
			u.json("push", c.path, reg.ref("%s/harbour:1.0.0", name))
			u.json("pull", reg.ref("%s/harbour:1.0.0", name))
			if err := os.Remove(filepath.Join(dir, "client.key")); err != nil {
				t.Fatal(err)
			}
			u.portolan("pull", reg.ref("%s/harbour:1.0.0", name)).fails(t, exitOther, "client.cert", "client.key is missing")
		})
	}
}

// TestShortNames has them of a flag and of podman's files.
func TestShortNames(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	c := smallChart(t, "harbour", "1.0.0")
	u := newUser(t)
	hostsWrite(t, "unqualified-search-registries = [\""+reg.host+"\"]\n[aliases]\n\"podman/charts\" = \""+reg.ref("team")+"\"\n", u.dir(".config", "containers"), "registries.conf")
	if got := u.json("push", c.path, "podman/charts/harbour:1.0.0"); !strings.HasPrefix(got.Reference, reg.ref("team/harbour:1.0.0")) {
		t.Errorf("pushed as %s", got.Reference)
	}
	u.json("pull", "mine:1.0.0", "--alias", "mine="+reg.ref("team/harbour"))
	u.json("copy", "podman/charts/harbour:1.0.0", "podman/charts/deep/", "--plain-http") // one host, though none is named
	u.json("resolve", reg.ref("team/deep/harbour:1.0.0"))
	for name, args := range map[string][]string{
		"none of the names":    {"pull", "team/harbour:1.0.0"},
		"the files are off":    {"pull", "podman/charts/harbour:1.0.0", "--registries-conf", ""},
		"search is not tried":  {"pull", "harbour:1.0.0"},
		"an alias with a host": {"pull", "a/b", "--alias", "r.example/a=" + reg.ref("team")},
		"an alias to nothing":  {"pull", "a/b", "--alias", "a"},
	} {
		if r := u.portolan(args...); r.code != exitUsage {
			t.Errorf("%s: exit status %d\n%s", name, r.code, r.stderr)
		}
	}
	u.portolan("pull", "harbour:1.0.0").fails(t, exitUsage, "podman/charts")
}

// TestMirrorFlag pulls by digest from a mirror while the origin is down, and
// sends that mirror's header to it alone.
func TestMirrorFlag(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	c := smallChart(t, "harbour", "1.0.0")
	u := newUser(t)
	pushed := u.json("push", c.path, reg.ref("hub/team/harbour:1.0.0"))
	ref := hostsDead + "/team/harbour@" + pushed.Digest
	for name, flag := range map[string]string{"bare": reg.host + "/hub", "named": hostsDead + "=" + reg.host + "/hub"} {
		got := newUser(t).json("pull", ref, "--mirror", flag, "--header", reg.host+"=X-Tenant: a=b", "--max-concurrent", "2")
		if got.Digest != pushed.Digest {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for name, args := range map[string][]string{
		"mirror with a scheme":  {"--mirror", "https://m.example"},
		"header of credentials": {"--header", "Authorization: canary"},
		"no header":             {"--header", "canary"},
		"no proxy":              {"--proxy", "canary"},
		"one request at a time": {"--max-concurrent", "1"},
		"no host":               {"--mirror", "no host=m.example"},
	} {
		r := u.portolan(append([]string{"pull", ref}, args...)...)
		r.fails(t, exitUsage, args[0])
		if strings.Contains(r.stderr, "canary") {
			t.Errorf("%s: the value is printed: %s", name, r.stderr)
		}
	}
	u.portolan("copy", ref, "other.example/a:1", "--mirror", reg.host).fails(t, exitUsage, "--mirror without a host")
	// A proxy that is not there is not gone around.
	u.portolan("pull", ref, "--mirror", reg.host+"/hub", "--proxy", reg.host+"=http://"+hostsDead, "--timeout", "2s").fails(t, exitUnreachable, hostsDead)
}

// TestHostFiles has podman's and containerd's files lead elsewhere.
func TestHostFiles(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	c := smallChart(t, "harbour", "1.0.0")
	u := newUser(t)
	dir := u.dir("conf")
	conf := hostsWrite(t, "[[registry]]\nprefix = 'charts.example/team'\nlocation = '"+reg.ref("inner")+"'\n\n[[registry]]\nlocation = 'charts.example'\nblocked = true\n", dir, "registries.conf")
	u.json("push", c.path, "charts.example/team/harbour:1.0.0", "--registries-conf", conf)
	u.json("resolve", reg.ref("inner/harbour:1.0.0"))
	u.portolan("pull", "charts.example/other/harbour:1.0.0", "--registries-conf", conf).fails(t, exitDenied, "blocked", conf+":5")
	hostsWrite(t, "server = 'http://"+reg.host+"/v2/inner'\noverride_path = true\n", dir, "hosts", "all.example", "hosts.toml")
	u.json("pull", "all.example/harbour:1.0.0", "--hosts-dir", filepath.Join(dir, "hosts"))

	broken := hostsWrite(t, "[[registry]]\nlocation = 'charts.example'\nlocatoin = 'x'\n", conf+".d", "x.conf")
	u.portolan("pull", reg.ref("inner/harbour:1.0.0"), "--registries-conf", conf).fails(t, exitOther, broken+":3", "locatoin")
	u.json("pull", reg.ref("inner/harbour:1.0.0"), "--registries-conf", "")
	toml := hostsWrite(t, "server = [", dir, "hosts", "broken.example", "hosts.toml")
	u.portolan("pull", reg.ref("inner/harbour:1.0.0"), "--hosts-dir", filepath.Join(dir, "hosts")).fails(t, exitOther, toml+":1")
	u.portolan("pull", reg.ref("inner/harbour:1.0.0"), "--hosts-dir", filepath.Join(dir, "absent")).fails(t, exitUsage, "absent")
}
