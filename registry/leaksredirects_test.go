package registry_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

// leaksNet is a network in which every name leads to one server, which speaks
// TLS at ports 443 and 8443, and redirects from /to/N to the Nth of its links.
type leaksNet struct {
	plain, secure *httptest.Server
	status        int
	links         []string

	mu  sync.Mutex
	got []leaksRequest
}

type leaksRequest struct {
	url    string
	header http.Header
}

func newLeaksNet(t *testing.T, status int, links ...string) *leaksNet {
	n := &leaksNet{status: status, links: links}
	n.plain, n.secure = httptest.NewServer(n), httptest.NewTLSServer(n)
	t.Cleanup(n.plain.Close)
	t.Cleanup(n.secure.Close)
	return n
}

func (n *leaksNet) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	scheme := "http"
	if req.TLS != nil {
		scheme = "https"
	}
	n.mu.Lock()
	n.got = append(n.got, leaksRequest{scheme + "://" + req.Host + req.URL.Path, req.Header.Clone()})
	n.mu.Unlock()
	var i int
	if _, err := fmt.Sscanf(req.URL.Path, "/to/%d", &i); err == nil && i < len(n.links) {
		w.Header().Set("Set-Cookie", "session=canary-of-the-server; Domain=r.example")
		http.Redirect(w, req, n.links[i], n.status)
		return
	}
	io.WriteString(w, "ok")
}

func (n *leaksNet) transport(t *testing.T) *http.Transport {
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			to := n.plain
			if strings.HasSuffix(address, "443") {
				to = n.secure
			}
			return new(net.Dialer).DialContext(ctx, network, to.Listener.Addr().String())
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// Whatever says who asks stays at the origin that was addressed: scheme, host
// and port. Once a redirect has left it, nothing of it comes back either.
func Test48Redirects(t *testing.T) {
	const home, plain = "https://r.example", "http://plain.example"
	for _, tc := range []struct {
		name  string
		start string
		links []string
		kept  bool // at the last one
		ends  bool // before the last one
	}{
		{"same origin", home, []string{home + "/end"}, true, false},
		{"same origin, with its port", home, []string{home + ":443/end"}, false, false},
		{"relative", home, []string{"/end"}, true, false},
		{"other host", home, []string{"https://other.example/end"}, false, false},
		{"other port", home, []string{home + ":8443/end"}, false, false},
		{"sub-domain", home, []string{"https://blobs.r.example/end"}, false, false},
		{"back to the origin", home, []string{"https://other.example/to/1", home + "/end"}, false, false},
		{"back from another port", home, []string{home + ":8443/to/1", home + "/end"}, false, false},
		{"back from a sub-domain", home, []string{"https://blobs.r.example/to/1", home + "/end"}, false, false},
		{"HTTPS to HTTP", home, []string{"http://r.example/end"}, false, true},
		{"HTTPS to HTTP elsewhere", home, []string{"http://other.example/end"}, false, true},
		{"HTTPS to HTTP by a detour", home, []string{"https://other.example/to/1", "http://other.example/end"}, false, true},
		{"HTTP to HTTPS", plain, []string{"https://plain.example/end"}, false, false},
		{"HTTP, same origin", plain, []string{plain + "/end"}, true, false},
		{"with a user, elsewhere", home, []string{"https://eve:canary-of-eve@other.example/end"}, false, false},
		{"with a user, at home", home, []string{"https://eve:canary-of-eve@r.example/end"}, true, false},
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprintf("%s %d", tc.name, status), func(t *testing.T) {
				n := newLeaksNet(t, status, tc.links...)
				client := n.client(t)
				req, err := http.NewRequest(http.MethodGet, tc.start+"/to/0", nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Cookie", "canary-of-the-caller")
				req.Header.Set("Private-Token", "canary-of-the-caller")
				resp, err := client.Do(t.Context(), req, registry.AuthHint{Preemptive: true})
				if err == nil {
					resp.Body.Close()
				}
				if (err != nil) != tc.ends {
					t.Fatalf("error = %v", err)
				}
				n.judge(t, tc.start, tc.kept, tc.ends)
			})
		}
	}
}

// client has a password and a header for each host that requests start at.
func (n *leaksNet) client(t *testing.T) *registry.Client {
	t.Helper()
	var who []auth.Provider
	for _, host := range []string{"r.example", "plain.example"} {
		who = append(who, auth.Static(auth.Resource{Host: host}, auth.Credential{Username: "me", Password: auth.NewSecret("canary-of-the-host")}))
	}
	client, err := registry.NewClient(&registry.Options{
		Transport: n.transport(t), Credentials: auth.Chain(who...), Retry: registry.Retry{Attempts: 1},
		Hosts: func(host string) (registry.HostConfig, error) {
			var c registry.HostConfig
			if host == "r.example" || host == "plain.example" {
				c.Header = http.Header{"X-Team-Key": {"canary-of-the-host"}}
			}
			if host == "plain.example" {
				c.PlainHTTP, c.PlaintextCredentials = true, true
			}
			return c, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (n *leaksNet) judge(t *testing.T, start string, kept, ends bool) {
	t.Helper()
	for i, r := range n.got {
		_, password, signed := (&http.Request{Header: r.header}).BasicAuth()
		first, last := i == 0, i == len(n.got)-1
		if want := first || kept; signed != want || signed && password != "canary-of-the-host" {
			t.Errorf("%s was sent the authorization %q", r.url, r.header.Get("Authorization"))
		}
		for _, name := range []string{"Cookie", "Private-Token"} {
			if want := first || kept; (r.header.Get(name) != "") != want || strings.Contains(r.header.Get(name), "server") {
				t.Errorf("%s was sent %s %q", r.url, name, r.header.Get(name))
			}
		}
		if r.header.Get("Referer") != "" {
			t.Errorf("%s was sent a referer", r.url)
		}
		u, _ := url.Parse(r.url)
		if known := u.Host == "r.example" || u.Host == "plain.example"; r.header.Get("X-Team-Key") != "" && !known {
			t.Errorf("%s was sent the header of another host", r.url)
		}
		if last && ends && strings.HasPrefix(r.url, "http://") {
			t.Errorf("%s was asked, in clear, for what began at %s", r.url, start)
		}
	}
	if want := len(n.links) + 1; len(n.got) != want && !ends || len(n.got) != want-1 && ends {
		t.Errorf("%d requests of %d links", len(n.got), len(n.links))
	}
}

// The password of a proxy is in no error, whatever is wrong with the proxy or
// its address.
func Test55ProxyPasswords(t *testing.T) {
	for _, proxy := range []string{
		"http://u:canary@127.0.0.1:1", "https://u:canary@127.0.0.1:1", "socks5://u:canary@127.0.0.1:1", "ftp://u:canary@127.0.0.1:1",
		"http://u:canary@%zz", "http://u:canary#x@127.0.0.1", "http://u:canary/x@127.0.0.1", "u:canary@127.0.0.1:1", "http://u:canary@", "u:canary@[x", "1u:canary@[x",
	} {
		for name, from := range map[string]func(*http.Request) (*url.URL, error){
			"configured": func(*http.Request) (*url.URL, error) { return url.Parse(proxy) },
			// As golang.org/x/net/http/httpproxy says it of the environment.
			"environment": func(*http.Request) (*url.URL, error) {
				u, err := url.Parse(proxy)
				if err != nil {
					return nil, fmt.Errorf("invalid proxy address %q: %v", proxy, err)
				}
				return u, nil
			},
		} {
			var log strings.Builder
			client, err := registry.NewClient(&registry.Options{Retry: registry.Retry{Attempts: 1}, Logger: leaksLogger(&log), Hosts: func(string) (registry.HostConfig, error) {
				return registry.HostConfig{Proxy: from}, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			repo, err := client.Repository(registry.Reference{Host: "r.example", Repository: "a"})
			if err != nil {
				t.Fatal(err)
			}
			_, err = repo.Resolve(t.Context(), "x")
			if err == nil {
				t.Errorf("%s, %s: a proxy that is not there was used", proxy, name)
			}
			_, login := client.Login(t.Context(), auth.NewMemoryStore(), "r.example", auth.Credential{Username: "me", Password: auth.NewSecret("canary")})
			for _, err := range []error{err, login, errors.Join(err, login)} {
				for _, text := range append(leaksChain(err), log.String()) {
					if strings.Contains(text, "canary") {
						t.Errorf("%s, %s: %s", proxy, name, text)
					}
				}
			}
		}
	}
}
