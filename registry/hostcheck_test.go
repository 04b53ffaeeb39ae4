package registry_test

import (
	"crypto/x509"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/registry"
)

func TestHostConfigIsValidated(t *testing.T) {
	mirrors := func(m ...registry.Mirror) registry.HostConfig { return registry.HostConfig{Mirrors: m} }
	rewrites := func(r ...registry.Rewrite) registry.HostConfig { return registry.HostConfig{Rewrites: r} }
	for _, tc := range []struct {
		name   string
		config registry.HostConfig
		says   string // "": it is good
	}{
		{"two at a time", registry.HostConfig{MaxConcurrent: 2}, ""},
		{"no limit", registry.HostConfig{MaxConcurrent: -1}, ""},
		{"one at a time", registry.HostConfig{MaxConcurrent: 1}, "allow 2 or more"},
		{"negative rate", registry.HostConfig{RequestsPerSecond: -1}, "requests per second"},
		{"no rate", registry.HostConfig{RequestsPerSecond: math.NaN()}, "requests per second"},
		{"endless rate", registry.HostConfig{RequestsPerSecond: math.Inf(1)}, "requests per second"},
		{"negative dial timeout", registry.HostConfig{DialTimeout: -time.Second}, "-1s is negative"},
		{"exclusive roots without any", registry.HostConfig{TLS: &registry.TLS{ExclusiveRoots: true}}, "exclusive roots"},
		{"exclusive roots", registry.HostConfig{TLS: &registry.TLS{ExclusiveRoots: true, Roots: []*x509.Certificate{{Raw: []byte{1}}}}}, ""},
		{"user agent with a line end", registry.HostConfig{UserAgent: "a\r\nX: y"}, "user agent"},

		{"header", registry.HostConfig{Header: http.Header{"x-tenant": {"a", "b c"}, "Cookie": {"a=b"}}}, ""},
		{"Authorization", registry.HostConfig{Header: http.Header{"authorization": {"canary"}}}, "give credentials instead"},
		{"Host", registry.HostConfig{Header: http.Header{"Host": {"canary"}}}, "Host"},
		{"header of the connection", registry.HostConfig{Header: http.Header{"Transfer-Encoding": {"canary"}}}, "Transfer-Encoding"},
		{"header of content", registry.HostConfig{Header: http.Header{"Accept-Encoding": {"canary"}}}, "Accept-Encoding"},
		{"no header name", registry.HostConfig{Header: http.Header{"X Tenant": {"canary"}}}, `"X Tenant"`},
		{"header with a line end", registry.HostConfig{Header: http.Header{"X-A": {"canary\n"}}}, "X-A"},

		{"mirror", mirrors(registry.Mirror{Host: "m.example:5000", Prefix: "hub", Under: "team", Except: []string{"team/a"}, Strip: true}), ""},
		{"mirror with a scheme", mirrors(registry.Mirror{Host: "https://m.example"}), `"https://m.example": leave "https://" out`},
		{"mirror with a path", mirrors(registry.Mirror{Host: "m.example/hub"}), `"m.example/hub"`},
		{"mirror with a password", mirrors(registry.Mirror{Host: "me:canary@m.example"}), "user name and password"},
		{"mirror without a dot", mirrors(registry.Mirror{Host: "mirror"}), `"mirror"`},
		{"mirror in capitals", mirrors(registry.Mirror{Host: "M.example"}), "write m.example"},
		{"no mirror", mirrors(registry.Mirror{}), "no registry host"},
		{"mirror with an odd prefix", mirrors(registry.Mirror{Host: "m.example", Prefix: "/hub"}), `"/hub" is no path`},
		{"mirror of an odd part", mirrors(registry.Mirror{Host: "m.example", Under: "Team"}), `"Team" is no path`},
		{"exception elsewhere", mirrors(registry.Mirror{Host: "m.example", Under: "a", Except: []string{"b"}}), `"b" is no part`},

		{"rewrite to itself", rewrites(registry.Rewrite{Prefix: "a", Location: "r.example/a"}, registry.Rewrite{Location: "x.example:5000"}), ""},
		{"blocked", rewrites(registry.Rewrite{Prefix: "a", Blocked: "by me"}), ""},
		{"rewrite to nowhere", rewrites(registry.Rewrite{Prefix: "a"}), "needs a location"},
		{"rewrite and blocked", rewrites(registry.Rewrite{Location: "x.example", Blocked: "by me"}), "not both"},
		{"rewrite to a URL", rewrites(registry.Rewrite{Location: "http://x.example"}), `leave "http://" out`},
		{"rewrite with a password", rewrites(registry.Rewrite{Location: "me:canary@x.example/a"}), "user name and password"},
		{"rewrite to a URL with a password", rewrites(registry.Rewrite{Location: "https://me:canary@x.example/a"}), "leave"},
		{"rewrite to a path", rewrites(registry.Rewrite{Location: "hub/team"}), `"hub"`},
		{"rewrite to a tag", rewrites(registry.Rewrite{Location: "x.example/a:1"}), `"a:1" is no path`},
		{"rewrite of an odd part", rewrites(registry.Rewrite{Prefix: "a/", Location: "x.example"}), `"a/"`},
		{"two rewrites of one part", rewrites(registry.Rewrite{Prefix: "a", Location: "x.example"}, registry.Rewrite{Prefix: "a", Blocked: "x"}), "two rewrites"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client, err := registry.NewClient(&registry.Options{Hosts: func(string) (registry.HostConfig, error) { return tc.config, nil }})
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Repository(registry.Reference{Host: "r.example", Repository: "other"})
			switch {
			case tc.says == "":
				if err != nil {
					t.Error(err)
				}
			case err == nil || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), "host r.example"):
				t.Errorf("error = %v, want one that names the host and says %q", err, tc.says)
			case strings.Contains(err.Error(), "canary"):
				t.Errorf("the value of a header is in %v", err)
			}
		})
	}
}

func TestBlocked(t *testing.T) {
	client, err := registry.NewClient(&registry.Options{Hosts: func(string) (registry.HostConfig, error) {
		return registry.HostConfig{Rewrites: []registry.Rewrite{{Prefix: "a", Blocked: "policy.conf:7"}, {Prefix: "a/free", Location: "r.example/a/free"}}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for repository, blocked := range map[string]bool{"a": true, "a/b": true, "a/free": false, "a/free/c": false, "ab": false, "b/a": false} {
		_, err := client.Repository(registry.Reference{Host: "r.example", Repository: repository})
		if got := errors.Is(err, registry.ErrBlocked); got != blocked || err != nil && !strings.HasSuffix(err.Error(), ": blocked by configuration: policy.conf:7") {
			t.Errorf("%s: %v, blocked should be %v", repository, err, blocked)
		}
	}
}

func Test60ExclusiveRoots(t *testing.T) {
	root := newHostsAuthority(t).cert
	config, err := registry.TLSConfig(registry.HostConfig{TLS: &registry.TLS{Roots: []*x509.Certificate{root}, ExclusiveRoots: true}})
	if err != nil {
		t.Fatal(err)
	}
	alone := x509.NewCertPool()
	alone.AddCert(root)
	if !config.RootCAs.Equal(alone) {
		t.Error("others than the given roots are trusted")
	}
}

func TestLayerHosts(t *testing.T) {
	proxy := func(*http.Request) (*url.URL, error) { return nil, nil }
	authority := &registry.TLS{InsecureSkipVerify: true}
	full := registry.HostConfig{
		TLS: authority, Proxy: proxy, DialTimeout: time.Second, Header: http.Header{"A": {"b"}}, UserAgent: "u", MaxConcurrent: 3,
		RequestsPerSecond: 4, PlaintextCredentials: true, Mirrors: []registry.Mirror{{Host: "m.example"}}, Rewrites: []registry.Rewrite{{Location: "x.example"}},
	}
	constant := func(c registry.HostConfig) func(string) (registry.HostConfig, error) {
		return func(string) (registry.HostConfig, error) { return c, nil }
	}
	plain := full
	plain.PlainHTTP, plain.TLS = true, nil
	own := full
	own.UserAgent, own.TLS = "own", &registry.TLS{}
	for name, tc := range map[string]struct{ first, want registry.HostConfig }{
		"nothing said":                   {registry.HostConfig{}, full},
		"plain HTTP over TLS":            {registry.HostConfig{PlainHTTP: true}, plain},
		"TLS as a whole, and one string": {registry.HostConfig{TLS: &registry.TLS{}, UserAgent: "own"}, own},
		"all":                            {own, own},
	} {
		got, err := registry.LayerHosts(nil, constant(tc.first), constant(full))("r.example")
		if err != nil || (got.Proxy == nil) != (tc.want.Proxy == nil) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		got.Proxy, tc.want.Proxy = nil, nil
		if diff := cmp.Diff(tc.want, got, cmp.Comparer(func(a, b *registry.TLS) bool {
			return a == b || a != nil && b != nil && a.InsecureSkipVerify == b.InsecureSkipVerify
		})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	broken := errors.New("broken")
	if _, err := registry.LayerHosts(constant(full), func(string) (registry.HostConfig, error) { return full, broken })("r.example"); err != broken {
		t.Errorf("error of a layer beneath: %v", err)
	}
}

// TestRewriteTellsWhere is a whole host in another place, as hosts.toml's
// server has it; references keep their names.
func TestRewriteTellsWhere(t *testing.T) {
	s := server(t, nil)
	client, err := registry.NewClient(&registry.Options{Hosts: func(host string) (registry.HostConfig, error) {
		if host != "r.example" {
			return registry.HostConfig{}, nil
		}
		return registry.HostConfig{Rewrites: []registry.Rewrite{{Location: s.Host + "/hub", Namespace: true}, {Prefix: "other", Location: s.Host}}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for repository, want := range map[string][2]string{
		"team/app":  {"/v2/hub/team/app/manifests/1", "ns=r.example"},
		"other/app": {"/v2/app/manifests/1", ""},
	} {
		s.Reset()
		repo, err := client.Repository(registry.Reference{Host: "r.example", Repository: repository})
		if err != nil {
			t.Fatal(err)
		}
		_, err = repo.Resolve(t.Context(), "1")
		if !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), "r.example/"+repository) {
			t.Errorf("%s: %v", repository, err)
		}
		requests := s.Requests()
		if len(requests) != 1 || requests[0].Path != want[0] || requests[0].Query != want[1] {
			t.Errorf("%s: %v, want %s?%s", repository, requests, want[0], want[1])
		}
	}
}
