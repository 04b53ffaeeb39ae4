package registrytest_test

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/registry/registrytest"
)

func TestIdentity(t *testing.T) {
	basic := func(user, password string) http.Header {
		req := httptest.NewRequest("GET", "/", nil)
		req.SetBasicAuth(user, password)
		return http.Header{"Authorization": req.Header["Authorization"]}
	}
	t.Run("other statuses", func(t *testing.T) {
		s := quirksServer(t, &registrytest.Options{Auth: registrytest.Basic, Users: map[string]string{"me": "x"}, RefusalStatus: 404, UnknownStatus: 401})
		quirksTagsAs := func() {
			resp, _, err := quirksDo(t, "PUT", s.URL+"/v2/team/app/manifests/a", http.Header{"Content-Type": quirksIndexType["Content-Type"], "Authorization": basic("me", "x")["Authorization"]}, quirksIndex("a"))
			if err != nil || resp.StatusCode != 201 {
				t.Fatal(resp, err)
			}
		}
		quirksTagsAs()
		for _, tc := range []struct {
			name, path string
			header     http.Header
			want       int
		}{
			{"known", "team/app/manifests/a", basic("me", "x"), 200},
			{"no credentials", "team/app/manifests/a", nil, 401},
			{"wrong ones", "team/app/manifests/a", basic("me", "y"), 404},
			{"unknown repository", "team/none/manifests/a", basic("me", "x"), 401},
			{"unknown tag", "team/app/manifests/none", basic("me", "x"), 404},
		} {
			if resp, _, err := quirksDo(t, "GET", s.URL+"/v2/"+tc.path, tc.header, ""); err != nil || resp.StatusCode != tc.want {
				t.Errorf("%s: %v %v, want %d", tc.name, resp, err, tc.want)
			}
		}
	})
	t.Run("split realm", func(t *testing.T) {
		s := quirksServer(t, &registrytest.Options{Auth: registrytest.Bearer, AnonymousPull: true, SplitRealm: true})
		resp, _, err := quirksDo(t, "GET", s.URL+"/v2/team/app/tags/list", nil, "")
		if err != nil || resp.StatusCode != 401 || !strings.Contains(resp.Header.Get("WWW-Authenticate"), s.Realm) || strings.HasPrefix(s.Realm, s.URL) {
			t.Fatalf("%v %v, realm %s", resp, err, s.Realm)
		}
		if resp, text, err := quirksDo(t, "GET", s.Realm+"?scope=repository:team/app:pull", nil, ""); err != nil || !strings.Contains(text, "token") {
			t.Errorf("%v %v %s", resp, err, text)
		}
		if got := s.Cost(); got.Tokens != 1 || got.Challenges != 1 {
			t.Errorf("cost %v", got)
		}
	})
	t.Run("client certificate", func(t *testing.T) {
		pair := quirksCertificate(t)
		pool := x509.NewCertPool()
		pool.AddCert(pair.Leaf)
		s := quirksServer(t, &registrytest.Options{ClientCAs: pool})
		roots := x509.NewCertPool()
		roots.AddCert(s.Certificate())
		for name, certificates := range map[string][]tls.Certificate{"with": {pair}, "without": nil} {
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates}}
			resp, err := (&http.Client{Transport: transport}).Get(s.URL + "/v2/")
			if (err == nil) != (name == "with") {
				t.Errorf("%s: %v", name, err)
			}
			if err == nil {
				resp.Body.Close()
			}
			transport.CloseIdleConnections()
		}
		if got := s.Requests(); len(got) != 1 || !got[0].ClientCertificate {
			t.Errorf("the server saw %v", got)
		}
	})
}

// quirksCertificate is its own authority.
func quirksCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf}
}

func TestRequestsAreWrittenDown(t *testing.T) {
	s := quirksServer(t, nil)
	_, _, err := quirksDo(t, "GET", s.URL+"/v2/?q=1", http.Header{"X-Canary": {"one", "two"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	got := s.Requests()[0]
	if got.Header("x-canary") != "one" || len(got.Headers()["X-Canary"]) != 2 || got.Host != s.Host || got.ClientCertificate || got.Query != "q=1" {
		t.Errorf("%+v", got)
	}
	if open, most := s.Connections(); most != 1 || open > 1 {
		t.Errorf("connections: %d open, %d at most", open, most)
	}
}
