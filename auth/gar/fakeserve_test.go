package gar

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

func (g *google) serveWeb(w http.ResponseWriter, r *http.Request) {
	what, serve := "oauth", g.serveOAuth
	switch {
	case r.Host == "sts.googleapis.com":
		what, serve = "sts", g.serveSTS
	case r.Host == "iamcredentials.googleapis.com":
		what, serve = "iam", g.serveIAM
	case r.Host == "platform.example":
		what, serve = "platform", g.servePlatform
	case strings.HasSuffix(r.Host, ".pkg.dev"):
		what, serve = "registry", g.serveRegistry
	}
	if !g.intercepted(what, w, r) {
		serve(w, r)
	}
}

func refuse(w http.ResponseWriter, status int, word, about string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":%q,"error_description":"what is %s?"}`, word, about)
}

func (g *google) token(w http.ResponseWriter, owner string) {
	fmt.Fprintf(w, `{"access_token":%q,"expires_in":%d,"token_type":"Bearer"}`, g.issue(owner), g.life)
}

func (g *google) serveOAuth(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/token" || r.ParseForm() != nil || len(r.URL.Query()) > 0 {
		refuse(w, http.StatusNotFound, "not_found", "it")
		return
	}
	f := r.PostForm
	switch f.Get("grant_type") {
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		head, claims := verify(&g.key.PublicKey, f.Get("assertion"))
		now := float64(time.Now().Unix())
		iat, _ := claims["iat"].(float64)
		exp, _ := claims["exp"].(float64)
		if head["alg"] != "RS256" || head["typ"] != "JWT" || head["kid"] != "key-1" || claims["iss"] != robot || claims["aud"] != tokenURL ||
			claims["scope"] != scope || iat > now || exp <= now || exp-iat > 3600 {
			refuse(w, http.StatusBadRequest, "invalid_grant", f.Get("assertion"))
			return
		}
		g.token(w, robot)
	case "refresh_token":
		if f.Get("refresh_token") != refreshToken || f.Get("client_id") != "gcloud" || f.Get("client_secret") != clientSecret {
			refuse(w, http.StatusBadRequest, "invalid_grant", f.Encode())
			return
		}
		g.token(w, "ann")
	default:
		refuse(w, http.StatusBadRequest, "unsupported_grant_type", f.Encode())
	}
}

func (g *google) serveSTS(w http.ResponseWriter, r *http.Request) {
	f := r.PostFormValue
	_, claims := verify(&g.platform.PublicKey, f("subject_token"))
	exp, _ := claims["exp"].(float64)
	if r.Method != http.MethodPost || r.URL.Path != "/v1/token" || f("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" ||
		f("requested_token_type") != "urn:ietf:params:oauth:token-type:access_token" || f("subject_token_type") != "urn:ietf:params:oauth:token-type:jwt" ||
		f("audience") != pool || f("scope") != scope || claims["iss"] != "https://platform.example" || claims["aud"] != "https:"+pool || int64(exp) < time.Now().Unix() {
		refuse(w, http.StatusBadRequest, "invalid_grant", r.PostForm.Encode())
		return
	}
	g.mu.Lock()
	g.subject, _ = claims["jti"].(string)
	g.mu.Unlock()
	g.token(w, "principal")
}

func (g *google) serveIAM(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Scope    []string
		Lifetime string
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if r.Method != http.MethodPost || r.URL.Path != strings.TrimPrefix(iamURL, "https://iamcredentials.googleapis.com") || g.owner(token) != "principal" ||
		json.NewDecoder(r.Body).Decode(&asked) != nil || len(asked.Scope) != 1 || asked.Scope[0] != scope {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"error":{"code":403,"message":"what is %s?","status":"PERMISSION_DENIED"}}`, token)
		return
	}
	life, err := time.ParseDuration(asked.Lifetime)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, `{"accessToken":%q,"expireTime":%q}`, g.issue(robot), time.Now().Add(life).UTC().Format(time.RFC3339))
}

// servePlatform hands out subject tokens, as that of a CI service does.
func (g *google) servePlatform(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || r.Header.Get("Authorization") != "Bearer "+platformKey {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	json.NewEncoder(w).Encode(map[string]string{"value": g.subjectToken("platform")})
}

// serveRegistry is the token service of Artifact Registry and an API that
// wants its tokens.
func (g *google) serveRegistry(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v2/token" {
		if user, password, _ := r.BasicAuth(); user != tokenUser || g.owner(password) == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, `{"token":"registry-token","expires_in":300}`)
		return
	}
	if r.Header.Get("Authorization") != "Bearer registry-token" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://`+r.Host+`/v2/token",service="`+r.Host+`"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func (g *google) serveMachine(w http.ResponseWriter, r *http.Request) {
	const accounts = "/computeMetadata/v1/instance/service-accounts/"
	what := "machine"
	switch {
	case r.URL.Path == "/":
		what = "probe"
	case strings.HasSuffix(r.URL.Path, "/email"):
		what = "email"
	}
	w.Header().Set("Metadata-Flavor", g.flavor)
	if g.intercepted(what, w, r) {
		return
	}
	account, _ := strings.CutPrefix(r.URL.Path, accounts)
	account, question, _ := strings.Cut(account, "/")
	switch {
	case r.Header.Get("Metadata-Flavor") != "Google" || r.Method != http.MethodGet || r.Header.Get("X-Forwarded-For") != "":
		w.WriteHeader(http.StatusForbidden)
	case what == "probe":
		fmt.Fprint(w, "computeMetadata/\n")
	case g.noAccount || account != "default" && account != machineRobot:
		w.WriteHeader(http.StatusNotFound)
	case question == "email":
		fmt.Fprint(w, machineRobot)
	case question == "token":
		g.token(w, machineRobot)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}
