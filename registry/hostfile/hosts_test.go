package hostfile

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/registry"
)

func TestHosts(t *testing.T) {
	root := t.TempDir()
	write(t, `
server = "https://registry-1.docker.io/v2"

[host."https://z.example.com"]
  capabilities = ["pull"]
  dial_timeout = "2s"
  skip_verify = true
[host."https://registry-1.docker.io"]
[host."http://a.example.com:5000/v2/hub"]
  capabilities = ["Pull", "Resolve"]
  override_path = true
  skip_verify = true
  [host."http://a.example.com:5000/v2/hub".header]
    x-tenant = "one"
    x-list = ["a", "b"]
[host."m.example.com"]
`, root, "docker.io", "hosts.toml")
	write(t, `server = "upstream.example.com"
skip_verify = true
host."https://push.example.com".capabilities = ["pull", "resolve", "push"]
host."https://late.example.com" = {}
host."https://localhost:5001" = { capabilities = ["pull", "resolve"] }
`, root, "published.example.com_5000_", "hosts.toml")
	write(t, `
[host."https://everything.example.com"]
proxy = "http://me:canary@proxy.example.com:3128"
`, root, "_default", "hosts.toml")
	write(t, "dial_timeout = '1s'", root, "own.example.com", "hosts.toml")
	hosts, err := LoadHosts(filepath.Join(root, "absent"), root)
	if err != nil {
		t.Fatal(err)
	}
	everything := []registry.Mirror{{Host: "everything.example.com", Tags: true, Namespace: true}}
	skip := &registry.TLS{InsecureSkipVerify: true}
	for host, want := range map[string]registry.HostConfig{
		"docker.io": {Mirrors: []registry.Mirror{
			{Host: "z.example.com", Namespace: true},
			{Host: "a.example.com:5000", Prefix: "hub", Tags: true, Namespace: true},
			{Host: "m.example.com", Tags: true, Namespace: true},
		}},
		"published.example.com:5000": {
			Mirrors: []registry.Mirror{
				{Host: "late.example.com", Namespace: true},
				{Host: "localhost:5001", Namespace: true},
				{Host: "upstream.example.com", Namespace: true},
			},
			Rewrites: []registry.Rewrite{{Location: "push.example.com", Namespace: true}},
		},
		"z.example.com":          {DialTimeout: 2 * time.Second, TLS: skip, Mirrors: everything},
		"a.example.com:5000":     {PlainHTTP: true, Header: http.Header{"X-Tenant": {"one"}, "X-List": {"a", "b"}}, Mirrors: everything},
		"upstream.example.com":   {TLS: skip, Mirrors: everything},
		"localhost:5001":         {TLS: &registry.TLS{}, Mirrors: everything},
		"everything.example.com": {},
		"own.example.com":        {DialTimeout: time.Second},
		"other.example.com":      {Mirrors: everything},
	} {
		got, err := hosts(host)
		if err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if diff := sameConfig(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", host, diff)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		proxied := host == "everything.example.com"
		if (got.Proxy != nil) != proxied {
			t.Errorf("%s: a proxy %v, want it %v", host, got.Proxy != nil, proxied)
		}
	}
	c, err := hosts("everything.example.com")
	if err != nil {
		t.Fatal(err)
	}
	u, err := c.Proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: "everything.example.com"}})
	if err != nil || u.Host != "proxy.example.com:3128" {
		t.Errorf("proxy %v, %v", u, err)
	}
}

// TestHostsServer has a server in the place of every host.
func TestHostsServer(t *testing.T) {
	root := t.TempDir()
	write(t, "server = 'https://cache.example.com/v2/all'\noverride_path = true", root, "_default", "hosts.toml")
	hosts, err := LoadHosts(root)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]registry.HostConfig{
		"r.example.com":     {Rewrites: []registry.Rewrite{{Location: "cache.example.com/all", Namespace: true}}},
		"cache.example.com": {Rewrites: []registry.Rewrite{{Location: "cache.example.com/all"}}},
	} {
		got, err := hosts(host)
		if diff := sameConfig(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", host, err, diff)
		}
	}
}

// TestHostsTLS reaches two servers with the files that hosts.toml names and,
// where there is none, with those that lie there.
func TestHostsTLS(t *testing.T) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { w.WriteHeader(http.StatusNotFound) })
	pair := httptest.NewTLSServer(ok) // its certificate serves for the client's
	defer pair.Close()
	clients := x509.NewCertPool()
	clients.AddCert(pair.Certificate())
	s := httptest.NewUnstartedServer(ok)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "https://")
	root := pemText("CERTIFICATE", s.Certificate().Raw)
	key, err := x509.MarshalPKCS8PrivateKey(pair.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, private := pemText("CERTIFICATE", pair.Certificate().Raw), pemText("PRIVATE KEY", key)
	name := strings.ReplaceAll(host, ":", "_") + "_"
	for _, tc := range []struct{ name, toml, client string }{
		{"one file for both", "ca = 'ca.pem'\nclient = 'both.pem'", ""},
		{"lists", "ca = ['ca.pem', 'other.pem']\nclient = ['both.pem', 'both.pem']", ""},
		{"pair", "ca = 'ca.pem'\nclient = [['cert.pem', 'key.pem']]", ""},
		{"pair with half empty", "ca = 'ca.pem'\nclient = [['both.pem', '']]", ""},
		{"no file", "", "client.cert"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range map[string]string{"ca.pem": root, "other.pem": cert, "both.pem": cert + private, "cert.pem": cert, "key.pem": private, "hosts.toml": tc.toml} {
				write(t, content, dir, name, file)
			}
			if tc.client != "" {
				write(t, root, dir, name, "ca.crt")
				write(t, cert, dir, name, "client.cert")
				write(t, private, dir, name, "client.key")
			}
			hosts, err := LoadHosts(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := resolve(t, hosts, host); !errors.Is(err, registry.ErrNotFound) {
				t.Error(err)
			}
			if err := os.Remove(filepath.Join(dir, name, "ca.pem")); err != nil || tc.toml == "" {
				return
			}
			if _, err := hosts(host); err == nil || !strings.Contains(err.Error(), "ca.pem") || !strings.Contains(err.Error(), "hosts.toml:1") {
				t.Errorf("CA file that is gone: %v, want an error that names both files", err)
			}
		})
	}
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func resolve(t *testing.T, hosts func(string) (registry.HostConfig, error), host string) error {
	t.Helper()
	client, err := registry.NewClient(&registry.Options{Hosts: hosts})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: host, Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = repo.Resolve(t.Context(), "1")
	return err
}

// A token server that has no file of its own is not one of those whose
// certificates _default lets pass.
func TestHostsOfDefaultAreUnnamed(t *testing.T) {
	root := t.TempDir()
	write(t, "skip_verify = true", root, "_default", "hosts.toml")
	write(t, "skip_verify = true\n[host.'https://m.example.com']\nskip_verify = true", root, "r.example.com", "hosts.toml")
	hosts, err := LoadHosts(root)
	if err != nil {
		t.Fatal(err)
	}
	for host, anyHost := range map[string]bool{"r.example.com": false, "m.example.com": false, "auth.example.com": true} {
		c, err := hosts(host)
		if err != nil || c.TLS == nil || !c.TLS.InsecureSkipVerify || c.TLS.AnyHost != anyHost {
			t.Errorf("%s: %v, %v", host, c, err)
		}
	}
}

// TestHostsDisagree has two files about one mirror.
func TestHostsDisagree(t *testing.T) {
	const m = "[host.'https://m.example.com']\n"
	for name, tc := range map[string]struct {
		a, b string
		ok   bool
	}{
		"the same":              {m + "skip_verify = true", m + "skip_verify = true", true},
		"one says nothing":      {m, m + "skip_verify = true", true},
		"the other":             {m + "skip_verify = true", m, true},
		"another header":        {m + "header = {x = 'canary'}", m + "header = {x = 'b'}", false},
		"plain HTTP and TLS":    {"[host.'http://m.example.com']", m, false},
		"TLS and plain HTTP":    {m, "[host.'http://m.example.com']", false},
		"a server and a mirror": {"server = 'm.example.com'\nskip_verify = true", m + "dial_timeout = '1s'", false},
	} {
		root := t.TempDir()
		a, b := write(t, tc.a, root, "a.example.com", "hosts.toml"), write(t, tc.b, root, "b.example.com", "hosts.toml")
		hosts, err := LoadHosts(root)
		if err != nil {
			t.Fatal(err)
		}
		_, err = hosts("m.example.com")
		if tc.ok != (err == nil) || err != nil && (!strings.Contains(err.Error(), a+":1") || !strings.Contains(err.Error(), b+":1") || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := hosts("b.example.com"); err != nil {
			t.Errorf("%s: a host that it is not about: %v", name, err)
		}
	}
}

func TestHostsRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, content string
		line          int
		says          string
	}{
		{"no TOML", "server = \n", 1, ""},
		{"unknown key", "server = 'r.example.com'\n\n[host.'https://m.example.com']\nca_file = 'x'", 4, "ca_file"},
		{"host within a host", "[host.'https://m.example.com']\n[host.'https://m.example.com'.host.'https://n.example.com']", 2, ""},
		{"rewrite of k3s", "[host.'https://m.example.com'.rewrite]\n'^a' = 'b'", 1, "rewrite"},
		{"capability", "[host.'https://m.example.com']\ncapabilities = ['pull',\n 'delete']", 2, `"delete"`},
		{"no pull", "[host.'https://m.example.com']\n\ncapabilities = ['resolve']", 3, "without pull"},
		{"server without push", "server = 'r.example.com'\ncapabilities = ['pull', 'resolve']", 2, "without push"},
		{"another scheme", "[host.'ftp://canary@m.example.com']", 1, "no URL"},
		{"user", "server = 'https://me:canary@m.example.com'", 1, "no URL"},
		{"query", "server = 'https://m.example.com?x=canary'", 1, "no URL"},
		{"no URL", "[host.'']", 1, "without a URL"},
		{"no host", "server = 'https://'", 1, "neither a host"},
		{"API elsewhere", "\n[host.'https://m.example.com/foo']", 2, "override_path = true"},
		{"API at another place", "[host.'https://m.example.com/foo']\noverride_path = true", 1, "leave it at /v2"},
		{"override of nothing", "override_path = true", 1, "without a server"},
		{"timeout", "[host.'https://m.example.com']\nca = 'x'\ndial_timeout = 'soon'", 3, `"soon"`},
		{"timeout in the past", "server = 'r.example.com'\ndial_timeout = '-1s'", 2, `"-1s"`},
		{"proxy", "[host.'https://m.example.com']\nproxy = 'canary'", 2, "URL of a proxy"},
		{"proxy with a path", "server = 'r.example.com'\nproxy = 'http://me:canary@p/x'", 2, "URL of a proxy"},
		{"ca is a number", "server = 'r.example.com'\nca = 5", 2, "want a file"},
		{"client of three", "server = 'r.example.com'\nclient = [['a', 'b', 'c']]", 2, "[certificate, key]"},
		{"client of none", "server = 'r.example.com'\nclient = [[]]", 2, "[certificate, key]"},
		{"certificates for plain HTTP", "server = 'http://r.example.com'\nca = 'x'", 1, "certificates for http://"},
		{"header is a number", "server = 'r.example.com'\n[header]\nx = 5", 2, `"x"`},
		{"credentials in a header", "[host.'https://m.example.com'.header]\nauthorization = 'canary'", 1, "give credentials instead"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			file := write(t, tc.content, root, "r.example.com", "hosts.toml")
			_, err := LoadHosts(root)
			at, ok := errors.AsType[*Error](err)
			if !ok || at.File != file || at.Line != tc.line || !strings.Contains(err.Error(), tc.says) || strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), "canary") {
				t.Errorf("error = %v, want one of line %d that says %q", err, tc.line, tc.says)
			}
		})
	}
	root := t.TempDir()
	write(t, "[header]\nx = 'canary'", root, "_default", "hosts.toml")
	if _, err := LoadHosts(root); err == nil || !strings.Contains(err.Error(), "name the server") {
		t.Errorf("header for all hosts: %v", err)
	}
}

// TestFirstHostsDirectoryCounts: nothing of a later one is joined to it, nor
// does it have to be right.
func TestFirstHostsDirectoryCounts(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	write(t, "[host.'https://one.example.com']", first, "r.example.com", "hosts.toml")
	write(t, "broken = [", second, "r.example.com", "hosts.toml")
	write(t, "[host.'https://two.example.com']", second, "s.example.com", "hosts.toml")
	hosts, err := LoadHosts(first, second)
	if err != nil {
		t.Fatal(err)
	}
	for host, mirror := range map[string]string{"r.example.com": "one.example.com", "s.example.com": "two.example.com"} {
		if c, err := hosts(host); err != nil || len(c.Mirrors) != 1 || c.Mirrors[0].Host != mirror {
			t.Errorf("%s: %+v, %v", host, c, err)
		}
	}
}

func TestDefaultHosts(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	write(t, "[host.'https://one.example.com']", home, "containerd", "certs.d", "r.example.com", "hosts.toml")
	hosts, err := LoadDefaultHosts()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := hosts("r.example.com"); err != nil || len(c.Mirrors) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
}
