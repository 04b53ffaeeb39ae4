package auth

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The address that a token request is dialled to is judged by where the
// registry is, and addresses of the machine's own network services never serve.
func Test51RealmAddresses(t *testing.T) {
	for _, tc := range []struct {
		name, address    string
		public, internal bool // whether a registry of that kind may lead there
	}{
		{"public v4", "93.184.216.34:443", true, true},
		{"public v6", "[2606:2800::1]:443", true, true},
		{"loopback v4", "127.0.0.1:443", false, true},
		{"loopback, another of them", "127.255.0.9:443", false, true},
		{"loopback v6", "[::1]:443", false, true},
		{"loopback, mapped", "[::ffff:127.0.0.1]:443", false, true},
		{"RFC 1918, 10", "10.1.2.3:443", false, true},
		{"RFC 1918, 172.16", "172.31.0.1:443", false, true},
		{"RFC 1918, 192.168", "192.168.0.1:443", false, true},
		{"RFC 1918, mapped", "[::ffff:10.1.2.3]:443", false, true},
		{"RFC 4193", "[fd12::1]:443", false, true},
		{"RFC 6598", "100.64.0.1:443", false, true},
		{"metadata v4", "169.254.169.254:80", false, false},
		{"metadata v4, mapped", "[::ffff:169.254.169.254]:80", false, false},
		{"metadata v4, NAT64", "[64:ff9b::a9fe:a9fe]:80", false, false},
		{"metadata v4, 6to4", "[2002:a9fe:a9fe::]:80", false, false},
		{"metadata v6 of EC2", "[fd00:ec2::254]:80", false, false},
		{"metadata of Alibaba", "100.100.100.200:80", false, false},
		{"link-local v6", "[fe80::1%eth0]:80", false, false},
		{"unspecified v4", "0.0.0.0:443", false, false},
		{"unspecified v6", "[::]:443", false, false},
	} {
		for rule, want := range map[dialRule]bool{dialPublic: tc.public, dialInternal: tc.internal, dialAny: true} {
			err := rule.control(t.Context(), "tcp", tc.address, nil)
			if (err == nil) != want || err != nil && !errors.Is(err, ErrRealmRefused) {
				t.Errorf("%s under rule %d: %v", tc.name, rule, err)
			}
		}
	}
	for _, network := range []string{"unix", "udp"} {
		if err := dialPublic.control(t.Context(), network, "93.184.216.34:443", nil); !errors.Is(err, ErrRealmRefused) {
			t.Errorf("%s: %v", network, err)
		}
	}
}

// leaksResolver answers every question for an IPv4 address with the next of its
// answers, the last one from then on.
type leaksResolver struct {
	mu      sync.Mutex
	answers []netip.Addr
	asked   int
}

func (r *leaksResolver) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			// Over what is no packet connection, messages have their length before them.
			var size [2]byte
			if _, err := there.Read(size[:]); err != nil {
				return
			}
			question := make([]byte, binary.BigEndian.Uint16(size[:]))
			if _, err := there.Read(question); err != nil {
				return
			}
			there.Write(r.answer(question))
		}()
		return here, nil
	}}
}

// answer is RFC 1035, section 4, for one question.
func (r *leaksResolver) answer(question []byte) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	isA := binary.BigEndian.Uint16(question[end+1:]) == 1
	m := append([]byte{question[0], question[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question[12:end+5]...)
	if isA {
		r.mu.Lock()
		addr := r.answers[min(r.asked, len(r.answers)-1)].As4()
		r.asked++
		r.mu.Unlock()
		m[7] = 1
		m = append(m, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		m = append(m, addr[:]...)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)
}

// A name counts for where it leads when it is dialled: whatever it led to
// before, and however an address is spelled as a name.
func Test51RealmRebinding(t *testing.T) {
	public, inside, metadata := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("169.254.169.254")
	var reached atomic.Int32
	tokens := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		fmt.Fprint(rw, `{"token":"t"}`)
	}))
	defer tokens.Close()
	_, port, _ := net.SplitHostPort(tokens.Listener.Addr().String())
	for _, tc := range []struct {
		name, host string
		answers    []netip.Addr
		internal   bool // the registry is
		reached    bool
	}{
		{"a name that leads inside", "auth.example", []netip.Addr{inside}, false, false},
		{"a name that led outside before", "auth.example", []netip.Addr{public, inside}, false, false},
		{"hexadecimal", "0x7f.1", []netip.Addr{inside}, false, false},
		{"of an internal registry", "auth.example", []netip.Addr{inside}, true, true},
		{"metadata of an internal registry", "metadata.google.internal", []netip.Addr{metadata}, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			reached.Store(0)
			r := &leaksResolver{answers: tc.answers}
			if len(tc.answers) > 1 { // somebody has looked before
				if before, err := r.resolver().LookupNetIP(t.Context(), "ip4", tc.host); err != nil || len(before) != 1 || before[0].Unmap() != public {
					t.Fatalf("before: %v, %v", before, err)
				}
			}
			s := newSigner(t, &SignerOptions{NewTransport: func(control func(context.Context, string, string, syscall.RawConn) error) http.RoundTripper {
				d := &net.Dialer{ControlContext: control, Resolver: r.resolver(), Timeout: 5 * time.Second}
				return &http.Transport{DialContext: d.DialContext}
			}})
			w := newWorld(t)
			w.challenge = func() string { return fmt.Sprintf(`Bearer realm="http://%s:%s/token"`, tc.host, port) }
			req := w.request(t, "GET", "a", "")
			over := send
			if !tc.internal { // a fake without a connection counts as one at a public address
				req.URL.Host = "r.example"
				over = func(*http.Request) (*http.Response, error) {
					rec := httptest.NewRecorder()
					rec.Header().Set("WWW-Authenticate", w.challenge())
					rec.WriteHeader(http.StatusUnauthorized)
					return rec.Result(), nil
				}
			}
			_, err := s.Do(req, Hint{}, over)
			if errors.Is(err, ErrRealmRefused) == tc.reached || (reached.Load() > 0) != tc.reached {
				t.Errorf("reached %d times; %v", reached.Load(), err)
			}
			if r.asked == 0 {
				t.Error("the name was not looked up, so this test has not seen what it is about")
			}
		})
	}
}

// A list of trusted token servers opens what the rule closes; the strict choice
// closes what it opens.
func Test52RealmLists(t *testing.T) {
	at := origin{"https", "r.example"}
	for _, tc := range []struct {
		name    string
		opts    SignerOptions
		realm   string
		want    dialRule
		refused bool
	}{
		{"by default elsewhere", SignerOptions{}, "https://auth.example/t", dialPublic, false},
		{"trusted, by its name", SignerOptions{TrustedRealms: []string{"auth.example"}}, "https://auth.example:8443/t", dialAny, false},
		{"trusted, in another case", SignerOptions{TrustedRealms: []string{"AUTH.example"}}, "https://auth.EXAMPLE/t", dialAny, false},
		{"a name that ends like it", SignerOptions{TrustedRealms: []string{"auth.example"}}, "https://evilauth.example/t", dialPublic, false},
		{"a name below it", SignerOptions{TrustedRealms: []string{"auth.example"}}, "https://x.auth.example/t", dialPublic, false},
		{"trusted is no leave for http", SignerOptions{TrustedRealms: []string{"auth.example"}}, "http://auth.example/t", 0, true},
		{"strict, elsewhere", SignerOptions{SameOriginRealms: true}, "https://auth.example/t", 0, true},
		{"strict, another port", SignerOptions{SameOriginRealms: true}, "https://r.example:8443/t", 0, true},
		{"strict, a sub-domain", SignerOptions{SameOriginRealms: true}, "https://auth.r.example/t", 0, true},
		{"strict, at home", SignerOptions{SameOriginRealms: true}, "https://R.example:443/t", dialAny, false},
		{"strict, trusted", SignerOptions{SameOriginRealms: true, TrustedRealms: []string{"auth.example"}}, "https://auth.example/t", dialAny, false},
	} {
		_, rule, err := newSigner(t, &tc.opts).checkRealm(at, false, tc.realm)
		if errors.Is(err, ErrRealmRefused) != tc.refused || err == nil && rule != tc.want {
			t.Errorf("%s: rule %d, %v", tc.name, rule, err)
		}
	}
	w := newWorld(t)
	w.user, w.password = "bob", canary
	s := newSigner(t, &SignerOptions{SameOriginRealms: true, Provider: Static(w.resource(""), password("bob", canary))})
	if _, err := s.Do(w.request(t, "GET", "a", ""), w.hint("a", "pull"), send); !errors.Is(err, ErrRealmRefused) {
		t.Errorf("strict: %v", err)
	}
	if _, k := w.counts(); k != 0 {
		t.Errorf("the token server was asked %d times", k)
	}
}

// What a token server's address holds is in no error about it.
func Test55RealmsShowNoSignature(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, serve := range map[string]http.HandlerFunc{
		"nobody there": nil,
		"broken off":   func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"a redirect": func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "/%zz?sig="+canary, http.StatusFound)
		},
		"elsewhere": func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, closed.URL+"/?sig="+canary, http.StatusFound)
		},
	} {
		w := newWorld(t)
		at := closed.URL
		if serve != nil {
			at, w.tokens.Config.Handler = w.tokens.URL, serve
			w.tokens.Config.ErrorLog = log.New(io.Discard, "", 0)
		}
		w.challenge = func() string { return `Bearer realm="` + at + `/token?sig=` + canary + `"` }
		var lines strings.Builder
		s := newSigner(t, &SignerOptions{Provider: Static(w.resource(""), password("bob", canary)), Logger: tokensLogger(&lines)})
		_, err := s.Do(w.request(t, "GET", "a", ""), w.hint("a", "pull"), send)
		var e *Error
		if !errors.As(err, &e) || e.Stage != StageToken {
			t.Errorf("%s: %v", name, err)
			continue
		}
		noCanary(t, name, fmt.Sprintf("%v %+v %#v %s", err, err, err, lines.String()))
		for _, cause := range e.Causes {
			for ; cause != nil; cause = errors.Unwrap(cause) {
				noCanary(t, name+", a cause", fmt.Sprintf("%v %+v %#v", cause, cause, cause))
			}
		}
	}
}

// A redirect of a token server cannot choose a credential, not even within its
// own origin.
func Test50TokenRedirectWithAUser(t *testing.T) {
	w := newWorld(t)
	serve := w.tokens.Config.Handler
	w.tokens.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/elsewhere" {
			http.Redirect(rw, r, strings.Replace(w.tokens.URL, "://", "://eve:pass@", 1)+"/elsewhere?"+r.URL.RawQuery, http.StatusFound)
			return
		}
		serve.ServeHTTP(rw, r)
	})
	w.do(t, newSigner(t, nil), "GET", "a", "pull")
	for _, h := range w.headers {
		if got := h.Get("Authorization"); got != "" {
			t.Errorf("the token server was sent %q", got)
		}
	}
}
