package auth

import (
	"strings"
	"testing"
)

func TestParseResource(t *testing.T) {
	for _, tc := range []struct{ in, want, api string }{
		{"ghcr.io", "ghcr.io", "ghcr.io"},
		{"https://ghcr.io/", "ghcr.io", "ghcr.io"}, // helm#30873
		{"oci://ghcr.io/team/app", "ghcr.io/team/app", "ghcr.io"},
		{"GHCR.io//", "ghcr.io", "ghcr.io"},
		{"localhost:5000/a", "localhost:5000/a", "localhost:5000"},
		{"[::1]:5000", "[::1]:5000", "[::1]:5000"},
		{"[2001:DB8:0::1]", "[2001:db8::1]", "[2001:db8::1]"},
		{"docker.io", "docker.io", "registry-1.docker.io"},
		{"https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io"},
		{"registry-1.docker.io/library/a", "registry-1.docker.io/library/a", "registry-1.docker.io"},
		{"r.example/v1", "r.example/v1", "r.example"},
	} {
		t.Run(tc.in, func(t *testing.T) {
			r, err := ParseResource(tc.in)
			if err != nil || r.String() != tc.want || r.APIHost() != tc.api {
				t.Errorf("got %v, %s, %v; want %s, %s", r, r.APIHost(), err, tc.want, tc.api)
			}
		})
	}
	for _, in := range []string{
		"", "/", "https://", "http://ghcr.io", "ftp://a", "ghcr.io/a:1.0", "ghcr.io:latest", "ghcr.io:0", "ghcr.io:65536",
		"ghcr.io/a@sha256:00", "u:" + canary + "@ghcr.io", "https://u:" + canary + "@ghcr.io/a", "ghcr.io/A", "ghcr.io/a//b",
		"ghcr.io/a?x=1", "-a", "a..b", "[::1", "[fe80::1%25eth0]", "[1.2.3.4]", "a b", "..",
	} {
		if r, err := ParseResource(in); err == nil {
			t.Errorf("%q was read as %v", in, r)
		} else {
			noCanary(t, "error", err.Error())
		}
	}
}

func Fuzz57ParseResource(f *testing.F) {
	for _, s := range []string{"ghcr.io", "oci://a/b/c", "https://[::1]:5000/x/", "https://index.docker.io/v1/", "docker.io/v2", "a:443", "u@h", "a/b:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseResource(s)
		if err != nil {
			return
		}
		again, err := ParseResource(r.String())
		if err != nil || again != r {
			t.Fatalf("%q gives %#v, and that %#v, %v", s, r, again, err)
		}
		if strings.ContainsAny(r.Host, "/@ ") || strings.ContainsAny(r.Path, "@: ") {
			t.Fatalf("%q gives %#v", s, r)
		}
	})
}
