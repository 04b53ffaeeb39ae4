package acr

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

const (
	tenant   = "7f3b1c9e-0000-4000-8000-00000000aaaa"
	clientID = "11111111-2222-3333-4444-555555555555"
	secret   = "canary-client-secret"
	idHeader = "canary-identity-header"
	registry = "contoso.azurecr.io"
)

// azure plays Entra ID, registries, the Instance Metadata Service and the
// endpoint of App Service, and checks what they check. Its switches are set
// before the first request.
type azure struct {
	t                *testing.T
	web, machine     *httptest.Server
	platform, entra  *rsa.PrivateKey
	registryKey      *rsa.PrivateKey
	hosts            []string // whom connections were made to
	life             time.Duration
	noIdentity       bool // IMDS: nothing is assigned
	noMachine        bool // nobody answers at the metadata address
	answers          map[string]func(http.ResponseWriter, *http.Request) bool
	mu               sync.Mutex
	calls            map[string]int
	refreshTokens    int
	lastAssertionJTI string
}

var keys = sync.OnceValue(func() []*rsa.PrivateKey {
	var list []*rsa.PrivateKey
	for range 4 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		list = append(list, k)
	}
	return list
})

// newAzure starts the fakes and empties the environment.
func newAzure(t *testing.T) *azure {
	for _, name := range []string{
		"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST",
		"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT",
	} {
		t.Setenv(name, "")
	}
	k := keys()
	a := &azure{
		t: t, platform: k[0], entra: k[1], registryKey: k[2], life: 3 * time.Hour,
		calls: map[string]int{}, answers: map[string]func(http.ResponseWriter, *http.Request) bool{},
	}
	a.web = httptest.NewUnstartedServer(http.HandlerFunc(a.serveWeb))
	a.web.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t, k[3])}}
	a.web.StartTLS()
	a.machine = httptest.NewServer(http.HandlerFunc(a.serveMachine))
	t.Cleanup(func() { a.web.Close(); a.machine.Close() })
	return a
}

func certificate(t *testing.T, key *rsa.PrivateKey) tls.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{
			"*.azurecr.io", "*.azurecr.cn", "*.azurecr.us", "*.eastus.geo.azurecr.io",
			"login.microsoftonline.com", "login.chinacloudapi.cn", "login.microsoftonline.us", "login.other.example",
		},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// options lead every connection to the fakes, by whatever name.
func (a *azure) options() *Options {
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(a.web.TLS.Certificates[0].Certificate[0])
	if err != nil {
		a.t.Fatal(err)
	}
	pool.AddCert(leaf)
	web := &http.Transport{
		DialContext: a.dialer(a.web), TLSClientConfig: &tls.Config{RootCAs: pool},
	}
	machine := &http.Transport{DialContext: a.dialer(a.machine)}
	a.t.Cleanup(func() { web.CloseIdleConnections(); machine.CloseIdleConnections() })
	return &Options{Transport: web, MetadataTransport: machine}
}

func (a *azure) dialer(to *httptest.Server) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		a.mu.Lock()
		a.hosts = append(a.hosts, address)
		a.mu.Unlock()
		if to == a.machine && a.noMachine {
			return nil, fmt.Errorf("nobody is at %s", address)
		}
		return new(net.Dialer).DialContext(ctx, network, to.Listener.Addr().String())
	}
}

func (a *azure) provider(opts *Options) auth.Provider {
	a.t.Helper()
	p, err := New(opts)
	if err != nil {
		a.t.Fatal(err)
	}
	return p
}

func (a *azure) count(what string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[what]
}

func (a *azure) serveWeb(w http.ResponseWriter, r *http.Request) {
	what := "entra"
	if strings.Contains(r.Host, ".azurecr.") {
		what = "exchange"
	}
	if a.intercepted(what, w, r) {
		return
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.ParseForm() != nil || len(r.URL.Query()) > 0 {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if what == "entra" {
		a.serveEntra(w, r)
		return
	}
	a.serveExchange(w, r)
}

func (a *azure) intercepted(what string, w http.ResponseWriter, r *http.Request) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls[what]++
	answer := a.answers[what]
	return answer != nil && answer(w, r)
}

func (a *azure) serveEntra(w http.ResponseWriter, r *http.Request) {
	f := r.PostForm
	refuse := func(status int, word string, number int) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":%q,"error_description":"AADSTS%d: what is %s?","error_codes":[%d],"trace_id":"x"}`, word, number, f.Encode(), number)
	}
	switch {
	case r.URL.Path != "/"+tenant+"/oauth2/v2.0/token":
		refuse(http.StatusBadRequest, "invalid_request", 90002)
	case f.Get("grant_type") != "client_credentials" || f.Get("scope") != "https://containerregistry.azure.net/.default":
		refuse(http.StatusBadRequest, "invalid_scope", 70011)
	case f.Get("client_id") != clientID:
		refuse(http.StatusBadRequest, "unauthorized_client", 700016)
	case f.Has("client_secret") == f.Has("client_assertion"):
		refuse(http.StatusUnauthorized, "invalid_client", 7000216)
	case f.Has("client_secret") && f.Get("client_secret") != secret:
		refuse(http.StatusUnauthorized, "invalid_client", 7000215)
	case f.Has("client_assertion") && !a.trusts(f.Get("client_assertion_type"), f.Get("client_assertion")):
		refuse(http.StatusUnauthorized, "invalid_client", 700213)
	default:
		fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":%q}`, a.accessToken())
	}
}

// trusts checks a federated token as the application's federated credential
// says: issuer, subject, audience, signature and time.
func (a *azure) trusts(kind, token string) bool {
	claims := verify(&a.platform.PublicKey, token)
	if kind != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || claims == nil {
		return false
	}
	a.mu.Lock()
	a.lastAssertionJTI, _ = claims["jti"].(string)
	a.mu.Unlock()
	return claims["iss"] == "https://issuer.example" && claims["sub"] == "system:serviceaccount:apps:deployer" && claims["aud"] == "api://AzureADTokenExchange"
}

func (a *azure) accessToken() string {
	return sign(a.entra, map[string]any{
		"aud": "https://containerregistry.azure.net", "tid": tenant, "appid": clientID, "exp": time.Now().Add(time.Hour).Unix(),
	})
}

func (a *azure) serveExchange(w http.ResponseWriter, r *http.Request) {
	f := r.PostForm
	claims := verify(&a.entra.PublicKey, f.Get("access_token"))
	refuse := func(status int) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"errors":[{"code":"UNAUTHORIZED","message":"what is %s?","detail":null}]}`, f.Encode())
	}
	switch {
	case r.URL.Path != "/oauth2/exchange":
		refuse(http.StatusNotFound)
	case f.Get("grant_type") != "access_token" || f.Get("service") != r.Host:
		refuse(http.StatusBadRequest)
	case claims == nil || claims["aud"] != "https://containerregistry.azure.net" || f.Has("tenant") && f.Get("tenant") != claims["tid"]:
		refuse(http.StatusUnauthorized)
	default:
		a.mu.Lock()
		a.refreshTokens++
		n := a.refreshTokens
		a.mu.Unlock()
		now := time.Now()
		json.NewEncoder(w).Encode(map[string]string{"refresh_token": sign(a.registryKey, map[string]any{
			"jti": fmt.Sprint(n), "aud": r.Host, "grant_type": "refresh_token", "tenant": tenant,
			"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(a.life).Unix(),
		})})
	}
}

func (a *azure) serveMachine(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	what := "app"
	if r.Host == "169.254.169.254" {
		what = "machine"
		if r.Header.Get("Metadata") == "" {
			what = "probe"
		}
	}
	if a.intercepted(what, w, r) {
		return
	}
	refuse := func(word string) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":%q,"error_description":"no"}`, word)
	}
	id := q.Get("client_id")
	switch {
	case what == "probe", r.Method != http.MethodGet, r.Header.Get("X-Forwarded-For") != "":
		refuse("bad_request_102")
	case what == "machine" && (r.Header.Get("Metadata") != "true" || r.URL.Path != "/metadata/identity/oauth2/token" || q.Get("api-version") != "2018-02-01"):
		refuse("bad_request_102")
	case what == "app" && (r.Header.Get("X-IDENTITY-HEADER") != idHeader || r.URL.Path != "/msi/token" || q.Get("api-version") != "2019-08-01"):
		w.WriteHeader(http.StatusUnauthorized)
	case a.noIdentity || id != "" && id != clientID:
		refuse("invalid_request")
	case q.Get("resource") != "https://containerregistry.azure.net":
		refuse("invalid_resource")
	default:
		fmt.Fprintf(w, `{"access_token":%q,"client_id":%q,"expires_in":"3599","expires_on":"%d","resource":%q,"token_type":"Bearer"}`,
			a.accessToken(), clientID, time.Now().Add(time.Hour).Unix(), q.Get("resource"))
	}
}

// federatedToken writes what the platform projects, for the workload identity
// of the environment.
func (a *azure) federatedToken(jti string) {
	a.t.Helper()
	file := os.Getenv("AZURE_FEDERATED_TOKEN_FILE")
	if file == "" {
		file = filepath.Join(a.t.TempDir(), "token")
		a.t.Setenv("AZURE_FEDERATED_TOKEN_FILE", file)
		a.t.Setenv("AZURE_TENANT_ID", tenant)
		a.t.Setenv("AZURE_CLIENT_ID", clientID)
	}
	token := sign(a.platform, map[string]any{
		"iss": "https://issuer.example", "sub": "system:serviceaccount:apps:deployer", "aud": "api://AzureADTokenExchange",
		"jti": jti, "exp": time.Now().Add(time.Hour).Unix(),
	})
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *azure) clientSecret() {
	a.t.Setenv("AZURE_TENANT_ID", tenant)
	a.t.Setenv("AZURE_CLIENT_ID", clientID)
	a.t.Setenv("AZURE_CLIENT_SECRET", secret)
}

func sign(key *rsa.PrivateKey, claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// verify returns the claims of a token that key has signed and that has not
// ended, and nil for any other.
func verify(key *rsa.PublicKey, token string) map[string]any {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) != nil {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	claims := map[string]any{}
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return nil
	}
	if exp, _ := claims["exp"].(float64); time.Now().Unix() > int64(exp) {
		return nil
	}
	return claims
}
