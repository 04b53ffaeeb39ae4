package acr

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

func (a *azure) serveWeb(w http.ResponseWriter, r *http.Request) {
	what := "entra"
	if strings.Contains(r.Host, ".azurecr.") {
		what = "exchange"
	}
	if a.intercepted(what, w, r) {
		return
	}
	if strings.HasPrefix(r.URL.Path, "/v2/") {
		a.serveAPI(w, r)
		return
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.ParseForm() != nil || len(r.URL.Query()) > 0 {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	switch {
	case what == "entra":
		a.serveEntra(w, r)
	case r.URL.Path == "/oauth2/token":
		a.serveToken(w, r)
	default:
		a.serveExchange(w, r)
	}
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
	case a.noIdentity || id != "" && id != clientID || id == "" && a.several:
		refuse("invalid_request")
	case q.Get("resource") != "https://containerregistry.azure.net":
		refuse("invalid_resource")
	default:
		fmt.Fprintf(w, `{"access_token":%q,"client_id":%q,"expires_in":"3599","expires_on":"%d","resource":%q,"token_type":"Bearer"}`,
			a.accessToken(), clientID, time.Now().Add(time.Hour).Unix(), q.Get("resource"))
	}
}

// serveToken gives the registry's token for its own refresh token.
func (a *azure) serveToken(w http.ResponseWriter, r *http.Request) {
	f := r.PostForm
	if claims := verify(&a.registryKey.PublicKey, f.Get("refresh_token")); f.Get("grant_type") != "refresh_token" || f.Get("service") != r.Host || claims["aud"] != r.Host {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	fmt.Fprintf(w, `{"access_token":"token-of-%s"}`, f.Get("service"))
}

// serveAPI is the API of a registry, which wants its own token.
func (a *azure) serveAPI(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer token-of-"+r.Host {
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://`+r.Host+`/oauth2/token",service="`+r.Host+`"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
}
