package hostfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/portolan-oci/portolan/registry"
)

func write(t testing.TB, content string, elem ...string) string {
	t.Helper()
	name := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// sameConfig compares what matters here.
func sameConfig(want, got registry.HostConfig) string {
	return cmp.Diff(want, got, cmpopts.IgnoreUnexported(registry.TLS{}), cmpopts.IgnoreFields(registry.HostConfig{}, "Proxy"), cmpopts.EquateEmpty())
}

const everyday = `
unqualified-search-registries = ["docker.io"]
short-name-mode = "enforcing"
credential-helpers = ["containers-auth.json"]

[[registry]]
prefix = "example.com/foo"
location = "internal.example.net/bar"

[[registry.mirror]]
location = "mirror-0.example.net/for-foo"

[[registry.mirror]]
location = "mirror-1.example.net/mirrors/foo/"
insecure = true
pull-from-mirror = "digest-only"

[[registry]]
location = "example.com"
blocked = true

[[registry]]
location = "example.com/foo/stays"

[[registry]]
prefix = "*.example.org"
location = "all.example.net/org"
mirror-by-digest-only = true
[[registry.mirror]]
location = "mirror-0.example.net"

[[registry]]
prefix = "*.deep.example.org"

[[registry]]
location = "index.docker.io"
[[registry.mirror]]
location = "hub.example.net"
pull-from-mirror = "tag-only"

[[registry]]
location = "localhost:5000"
insecure = true

[[registry]]
location = "lab.example.net:5000"
insecure = true
`

func TestRegistries(t *testing.T) {
	file := write(t, everyday, t.TempDir(), "registries.conf")
	r, err := LoadRegistries(file)
	if err != nil {
		t.Fatal(err)
	}
	skip := &registry.TLS{InsecureSkipVerify: true}
	for host, want := range map[string]registry.HostConfig{
		"example.com": {
			Rewrites: []registry.Rewrite{
				{Blocked: file + ":18"},
				{Prefix: "foo", Location: "internal.example.net/bar"},
				{Prefix: "foo/stays", Location: "example.com/foo/stays"},
			},
			Mirrors: []registry.Mirror{
				{Host: "mirror-0.example.net", Prefix: "for-foo", Under: "foo", Strip: true, Except: []string{"foo/stays"}, Tags: true},
				{Host: "mirror-1.example.net", Prefix: "mirrors/foo", Under: "foo", Strip: true, Except: []string{"foo/stays"}},
			},
		},
		"a.example.org": {
			Rewrites: []registry.Rewrite{{Location: "all.example.net/org"}},
			Mirrors:  []registry.Mirror{{Host: "mirror-0.example.net"}},
		},
		"example.org":             {},
		"a.deep.example.org":      {},
		"docker.io":               {Mirrors: []registry.Mirror{{Host: "hub.example.net", Tags: true}}},
		"mirror-0.example.net":    {},
		"mirror-1.example.net":    {TLS: skip},
		"localhost:5000":          {},
		"lab.example.net:5000":    {TLS: skip},
		"lab.example.net":         {},
		"unheard-of.example.info": {},
	} {
		got, err := r.Hosts(host)
		if err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if diff := sameConfig(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", host, diff)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if diff := cmp.Diff([]string{"docker.io"}, r.Search); diff != "" {
		t.Error(diff)
	}
}

func TestRegistriesDropIns(t *testing.T) {
	dir := t.TempDir()
	file := write(t, `
unqualified-search-registries = ["a.example"]
[[registry]]
location = "r.example"
insecure = true
[aliases]
one = "a.example/one"
two = "a.example/two"
`, dir, "registries.conf")
	write(t, "[[registry]]\nlocation = 'r.example'\nblocked = true\n[aliases]\none = ''\n", dir, "d", "20-later.conf")
	write(t, "unqualified-search-registries = []\n[[registry]]\nlocation = 'other.example'\n[aliases]\ntwo = 'b.example/two'\n", dir, "d", "10-first.conf")
	write(t, "not read = [", dir, "d", "README")
	user := write(t, "[aliases]\n'deep/two' = 'c.example/two'\n", dir, "user", "x.conf")
	r, err := LoadRegistries(file, filepath.Join(dir, "d"), filepath.Join(dir, "absent"), filepath.Dir(user))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"two": "b.example/two", "deep/two": "c.example/two"}, r.Aliases); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
	if len(r.Search) != 0 {
		t.Errorf("search list %q, want none", r.Search)
	}
	got, err := r.Hosts("r.example")
	if err != nil {
		t.Fatal(err)
	}
	want := registry.HostConfig{Rewrites: []registry.Rewrite{{Blocked: filepath.Join(dir, "d", "20-later.conf") + ":1"}}}
	if diff := sameConfig(want, got); diff != "" {
		t.Errorf("r.example (-want +got):\n%s", diff)
	}
}

// TestRegistriesInsecureTwice: TLS is of a host, so one user of it cannot do
// without what another one asks for.
func TestRegistriesInsecureTwice(t *testing.T) {
	file := write(t, `[[registry]]
location = "r.example"
[[registry.mirror]]
location = "m.example:5000/hub"
insecure = true
[[registry]]
location = "m.example:5000"
`, t.TempDir(), "registries.conf")
	r, err := LoadRegistries(file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Hosts("m.example:5000")
	if at, ok := errors.AsType[*Error](err); !ok || at.Line != 3 || !strings.Contains(err.Error(), file+":6") {
		t.Errorf("error = %v, want one that names lines 3 and 6", err)
	}
	if _, err := r.Hosts("r.example"); err != nil {
		t.Errorf("a host that it is not about: %v", err)
	}
}

func TestRegistriesRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, content string
		line          int
		says          string
	}{
		{"no TOML", "a = 1\nb = [", 2, ""},
		{"one key twice", "short-name-mode = 'enforcing'\nshort-name-mode = 'enforcing'\n", 2, "short-name-mode"},
		{"another type", "[[registry]]\nlocation = 5\n", 2, ""},
		{"unknown key", "[[registry]]\nlocation = 'r.example'\nlocatoin = 'x'\n", 3, "locatoin"},
		{"unknown key of a mirror", "[[registry]]\nlocation = 'r.example'\n\n[[registry.mirror]]\nlocation = 'm.example'\ntls = false\n", 6, "tls"},
		{"version 1", "# old\n[registries.search]\nregistries = ['a.example']\n", 2, "version 1"},
		{"no mode", "\nshort-name-mode = 'maybe'", 2, `"maybe"`},
		{"search is no host", "unqualified-search-registries = [\n 'a.example/b' ]", 1, `"a.example/b"`},
		{"nothing named", "[[registry]]\nlocation='r.example'\n[[registry]]\ninsecure = true", 3, "neither a prefix nor a location"},
		{"no location", "[[registry]]\nprefix = 'r.example'", 1, "no location"},
		{"location with a scheme", "[[registry]]\nprefix = 'r.example'\nlocation = 'https://x.example'", 3, `"https://"`},
		{"location with a password", "[[registry]]\nprefix = 'r.example'\nlocation = 'me:canary@x.example'", 3, "@x.example"},
		{"location with a password and a port", "[[registry]]\nprefix = 'r.example'\nlocation = 'https://me:canary@x.example:5000/a'", 3, "leave"},
		{"prefix with a tag", "[[registry]]\nprefix = 'r.example/a:1'\nlocation = 'x.example'", 2, "a tag or a digest"},
		{"prefix without a host", "[[registry]]\n\nprefix = 'team'\nlocation = 'x.example'", 3, `"team"`},
		{"pattern with a path", "[[registry]]\nprefix = '*.example.com/a'", 2, "no pattern of hosts"},
		{"pattern in the middle", "[[registry]]\nprefix = 'a.*.example.com'\nlocation = 'x.example'", 2, "neither a host"},
		{"one prefix twice", "[[registry]]\nlocation = 'r.example'\n[[registry]]\nlocation = 'R.example/'", 3, "after that of line 1"},
		{"mirror without a location", "[[registry]]\nlocation = 'r.example'\n[[registry.mirror]]\ninsecure = true", 3, "mirror"},
		{"mirror for what", "[[registry]]\nlocation = 'r.example'\n[[registry.mirror]]\nlocation = 'm.example'\npull-from-mirror = 'some'", 5, `"some"`},
		{"mirror twice limited", "[[registry]]\nlocation = 'r.example'\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = 'm.example'\npull-from-mirror = 'all'", 6, "line 3"},
		{"mirror in line", "registry = [{location = 'r.example', mirror = [\n{location = 'm.example'},\n{location = 'https://x'}]}]", 3, "leave"},
		{"alias with a host", "[aliases]\na = 'r.example/a'\n'r.example/b' = 'r.example/b'", 3, "begins with a host"},
		{"alias to a tag", "\n[aliases]\n\na = 'r.example/a:1'", 4, "a tag or a digest"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := write(t, tc.content, t.TempDir(), "registries.conf")
			_, err := LoadRegistries(file)
			at, ok := errors.AsType[*Error](err)
			if !ok || at.File != file || at.Line != tc.line || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "canary") {
				t.Errorf("error = %v, want one of line %d that says %q", err, tc.line, tc.says)
			}
		})
	}
	if _, err := LoadRegistries(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, err := LoadRegistries(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("directory: %v", err)
	}
	if _, err := LoadRegistries(write(t, strings.Repeat("#\n", maxFile), t.TempDir(), "x")); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("large file: %v", err)
	}
}

func TestDefaultRegistries(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("CONTAINERS_REGISTRIES_CONF", "")
	write(t, "[aliases]\nportolan-one = 'a.example/one'\n", home, "containers", "registries.conf")
	write(t, "[aliases]\nportolan-two = 'a.example/two'\n", home, "containers", "registries.conf.d", "x.conf")
	r, err := LoadDefaultRegistries()
	if err != nil {
		t.Fatal(err)
	}
	if r.Aliases["portolan-one"] == "" || r.Aliases["portolan-two"] == "" {
		t.Errorf("aliases %v", r.Aliases)
	}
	named := write(t, "[aliases]\nthree = 'a.example/three'\n", home, "named")
	write(t, "[aliases]\nfour = 'a.example/four'\n", home, "named.d", "x.conf")
	t.Setenv("CONTAINERS_REGISTRIES_CONF", named)
	if r, err = LoadDefaultRegistries(); err != nil || len(r.Aliases) != 2 {
		t.Errorf("%v, %v, want the two of the named file", r, err)
	}
	t.Setenv("CONTAINERS_REGISTRIES_CONF", named+".absent")
	if _, err = LoadDefaultRegistries(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("named file that is not there: %v", err)
	}
}
