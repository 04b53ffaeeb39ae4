package hostfile

import (
	"errors"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/registry"
)

// checkError is what every error of a file must be.
func checkError(t *testing.T, err error, data string) {
	t.Helper()
	at, ok := errors.AsType[*Error](err)
	if !ok || at.File != "file" || at.Line < 1 || at.Line > 1+strings.Count(data, "\n") || strings.Contains(err.Error(), "\n") {
		t.Fatalf("error = %q, want one of a line that there is", err)
	}
}

// FuzzRegistries: a file is refused with its line, or all that it says is
// good for a client.
func FuzzRegistries(f *testing.F) {
	f.Add(everyday)
	f.Add("[aliases]\n'a/b' = 'r.example/x'\nc = ''\n")
	f.Add("registry = [{location = 'r.example', mirror = [{location = 'm.example'}]}]")
	f.Add("[[registry]]\nprefix = '*.com'\nmirror.0 = 1\n")
	f.Add("[registries.search]\nregistries = []\n")
	f.Fuzz(func(t *testing.T, data string) {
		parsed, err := parseRegistries("file", []byte(data))
		if err != nil {
			checkError(t, err, data)
			return
		}
		all := merged{prefixes: map[string]registryEntry{}, aliases: map[string]string{}}
		all.add(parsed)
		r := all.registries()
		if _, err := registry.NewClient(&registry.Options{Aliases: r.Aliases}); err != nil {
			t.Fatal(err)
		}
		for _, e := range parsed.entries {
			hosts := []string{e.prefix.host, "x." + e.prefix.host, e.location.host}
			for _, m := range e.mirrors {
				hosts = append(hosts, m.location.host)
			}
			for _, host := range hosts {
				c, err := r.Hosts(host)
				if err != nil {
					checkError(t, err, data)
				} else if err := c.Validate(); err != nil {
					t.Fatalf("%s: %v", host, err)
				}
			}
		}
	})
}

// FuzzHosts is FuzzRegistries for hosts.toml. No file that it names is read.
func FuzzHosts(f *testing.F) {
	f.Add("server = 'https://r.example/v2/x'\noverride_path = true\n", false)
	f.Add("[host.'https://m.example']\ncapabilities = ['pull', 'push']\nskip_verify = true\n[host.'https://m.example'.header]\nx = ['a']\n", true)
	f.Add("host.'http://m.example:5000' = {dial_timeout = '5s', proxy = 'socks5://p:1'}\nclient = [['a', '']]\nca = ['a', 'b']\n", false)
	f.Add("server = 'registry-1.docker.io'\n[host.'https://docker.io']\n", true)
	f.Fuzz(func(t *testing.T, data string, isDefault bool) {
		file, err := parseHosts("file", []byte(data), isDefault)
		if err != nil {
			checkError(t, err, data)
			return
		}
		for _, e := range append(file.hosts, file.server, endpoint{place: place{host: "r.example"}}) {
			s := e.settings
			s.ca, s.client = nil, nil
			c, err := s.config(e.host)
			if err != nil {
				t.Fatal(err)
			}
			file.place(e.host, &c)
			if e.host == "" {
				continue
			}
			if err := c.Validate(); err != nil {
				t.Fatalf("%s: %v", e.host, err)
			}
		}
	})
}
