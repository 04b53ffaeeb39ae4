package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// loginAuths is a credential file in docker's format.
func loginAuths(host, secret string) string {
	return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte(secret)))
}

// loginSource is a row of login --explain -o json.
type loginSource struct{ Source, Outcome, Kind, Username, Reason string }

func loginExplained(t *testing.T, r result) map[string]loginSource {
	t.Helper()
	var rows []loginSource
	if err := json.Unmarshal([]byte(r.stdout), &rows); err != nil {
		t.Fatalf("%s: %v in %s%s", r.line, err, r.stdout, r.stderr)
	}
	byOutcome := map[string]loginSource{}
	for _, row := range rows {
		if _, found := byOutcome[row.Outcome]; !found {
			byOutcome[row.Outcome] = row
		}
	}
	return byOutcome
}

// TestLoginExplain: who would answer for a host, and why others would not, is
// told without a registry and without a secret.
func TestLoginExplain(t *testing.T) {
	t.Parallel()
	const canary, host = "canary-5e1f", "registry.example.com:5000"
	u := newUser(t)
	r := u.portolan("login", host, "--explain")
	if r.code != exitDenied || !strings.Contains(r.stdout, "SOURCE") || !strings.Contains(r.stdout, "there is no such file") || !strings.Contains(r.stderr, host) {
		t.Errorf("nobody: exit status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	writeFile(t, u.dockerFile(), []byte(loginAuths(host, "ana:"+canary)))
	u.env = append(u.env, "DOCKER_AUTH_CONFIG="+loginAuths(host, "bob:"+canary))
	for _, spelled := range []string{host, "oci://" + host + "/team/app", "https://" + host + "/"} {
		got := u.portolan("login", spelled, "--explain", "-o", "json")
		rows := loginExplained(t, got)
		if a := rows["answers"]; got.code != 0 || a.Username != "bob" || a.Kind != "password" || !strings.Contains(a.Source, "DOCKER_AUTH_CONFIG") {
			t.Errorf("%s answers with %+v, exit status %d", spelled, a, got.code)
		}
		if s := rows["shadowed"]; s.Username != "ana" || !strings.Contains(s.Source, u.dockerFile()) || s.Reason == "" {
			t.Errorf("%s: shadowed is %+v", spelled, s)
		}
		if strings.Contains(got.stdout+got.stderr, canary) {
			t.Errorf("a secret is shown: %s%s", got.stdout, got.stderr)
		}
	}
	for _, by := range []string{"flag", "variable"} {
		args := []string{"login", host, "--explain", "-o", "json"}
		if by == "flag" {
			args = append(args, "--sources", "docker,docker-auth-config")
		} else {
			u.env = append(u.env, "PORTOLAN_CREDENTIAL_SOURCES=docker")
		}
		if a := loginExplained(t, u.portolan(args...))["answers"]; a.Username != "ana" {
			t.Errorf("order of the %s: answers with %+v", by, a)
		}
	}
	u.portolan("login", host, "--explain", "--sources", "docker,nowhere").fails(t, exitUsage, "nowhere", "docker-auth-config", "github")
	u.portolan("login", host, "--explain", "--sources", "docker,docker").fails(t, exitUsage, "twice")
	u.portolan("login", host, "--explain", "--password-stdin").fails(t, exitUsage)
}

// TestLoginStore keeps credentials where podman or Helm does, for a part of a
// host too, and says which source will answer instead.
func TestLoginStore(t *testing.T) {
	t.Parallel()
	reg, c, ref := guarded(t, registryOptions{htpasswd: true})
	u := newUser(t)
	u.env = append(u.env, "REGISTRY_AUTH_FILE="+u.path("containers", "auth.json"))
	for store, file := range map[string]string{"containers": u.path("containers", "auth.json"), "helm": u.path("helm", "registry.json")} {
		for _, host := range []string{reg.host, reg.host + "/team"} {
			r := u.portolanWith(password, "login", host, "-u", userName, "--password-stdin", "--store", store)
			if r.ok(t); !strings.Contains(r.stderr, "credHelpers") || !strings.Contains(r.stdout, file) {
				t.Errorf("%s: %s%s", store, r.stdout, r.stderr)
			}
			if text := string(readFile(t, file)); !strings.Contains(text, fmt.Sprintf("%q", host)) {
				t.Errorf("%s holds %s", file, text)
			}
			u.pulls(ref, c)
			if r = u.portolan("logout", host, "--store", store); r.stderr != "" {
				t.Errorf("logout: %s", r.stderr)
			}
			r.ok(t)
			u.portolan("pull", ref, "-d", u.path("tmp")).fails(t, exitDenied, reg.host)
		}
	}
	u.portolanWith(password, "login", reg.host+"/team", "-u", userName, "--password-stdin").fails(t, exitOther, "one credential for each host", reg.host)
	u.portolanWith(password, "login", reg.host, "-u", userName, "--password-stdin", "--store", "keychain").fails(t, exitUsage, "keychain")

	writeFile(t, u.path("helm", "registry.json"), []byte(loginAuths(reg.host, "eve:1")))
	u.env = append(u.env, "DOCKER_AUTH_CONFIG="+loginAuths(reg.host, "eve:1"))
	r := u.portolanWith(password, "login", reg.host, "-u", userName, "--password-stdin")
	if r.ok(t); !strings.Contains(r.stderr, "DOCKER_AUTH_CONFIG ("+reg.host+") answers for") || strings.Contains(r.stderr, "registry.json") {
		t.Errorf("login does not say who answers instead: %s", r.stderr)
	}
	r = u.portolan("logout", reg.host)
	if r.ok(t); !strings.Contains(r.stderr, "DOCKER_AUTH_CONFIG") || !strings.Contains(r.stderr, "registry.json") {
		t.Errorf("logout does not name all who remain: %s", r.stderr)
	}
}

// TestLoginSecrets: secrets of every kind come by standard input, and by
// nothing that others can see.
func TestLoginSecrets(t *testing.T) {
	t.Parallel()
	tokens := startTokenServer(t)
	reg, c, ref := guarded(t, registryOptions{tokens: tokens})
	ready, err := tokens.sign(userName, []string{"repository:team/harbour:pull"})
	if err != nil {
		t.Fatal(err)
	}
	u := newUser(t)
	u.portolanWith(ready, "login", reg.host, "--registry-token-stdin").ok(t)
	u.pulls(ref, c)
	u.portolanWith("canary-77", "login", reg.host, "--registry-token-stdin").fails(t, exitDenied, reg.host, "registry token may have expired")

	basic := startRegistry(t, registryOptions{htpasswd: true})
	u.portolanWith(password, "login", basic.host, "--password-stdin").fails(t, exitDenied, "give a user name")
	u.portolanWith(password, "login", basic.host, "--password-stdin", "--token-user", userName).ok(t)
	for _, args := range [][]string{{"-p", "canary-78"}, {"--password=canary-78"}, {"-u", userName, "-pcanary-78"}} {
		r := u.portolan(append([]string{"login", reg.host}, args...)...)
		if r.fails(t, exitUsage, "--password-stdin"); strings.Contains(r.stderr, "canary") {
			t.Errorf("%q: the password is in the error: %s", args, r.stderr)
		}
	}
	u.portolan("login", "http://"+reg.host).fails(t, exitUsage, "https://")
}

// TestLoginWithCertificate: a certificate is a login without anything to keep.
func TestLoginWithCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	mutual, open := startRegistry(t, registryOptions{ca: ca, mutual: true}), startRegistry(t, registryOptions{ca: ca})
	cert, key := ca.clientFiles(t)
	u := newUser(t)
	for _, tc := range []struct {
		host     string
		verified bool
		words    string
	}{{mutual.host, true, ""}, {open.host, false, "not known whether"}} {
		r := u.portolan("login", tc.host, "--ca-file", ca.file, "--cert-file", cert, "--key-file", key, "-o", "json")
		var got struct {
			Verified     bool
			Kind, Stored string
		}
		if err := json.Unmarshal([]byte(r.ok(t)), &got); err != nil || got.Verified != tc.verified || got.Kind != "client certificate" || got.Stored != "" || !strings.Contains(r.stderr, tc.words) {
			t.Errorf("%+v, %v: %s", got, err, r.stderr)
		}
	}
	u.portolan("login", mutual.host, "--ca-file", ca.file).fails(t, exitUsage, "--password-stdin", "client certificate")
	u.portolanWith(password, "login", mutual.host, "--ca-file", ca.file, "-u", userName, "--password-stdin").fails(t, exitDenied, "client certificate")
	u.portolanWith(password, "login", open.host, "--plain-http=false", "-u", userName, "--password-stdin").fails(t, exitUnreachable, "give the CA file of "+open.host, "--ca-file HOST=FILE")
	other := newAuthority(t)
	cert, key = other.clientFiles(t)
	u.portolan("login", mutual.host, "--ca-file", ca.file, "--cert-file", cert, "--key-file", key).fails(t, exitDenied, "certificate")
	if files := listFiles(t, u.path("docker")); len(files) > 0 {
		t.Errorf("stored: %q", files)
	}
}

// loginProvider is an identity provider with a device flow, which answers the
// first question for the token by first, and then by a token.
func loginProvider(t *testing.T, first, token string) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/device" && r.PostFormValue("client_id") == "cli" && r.PostFormValue("scope") == "openid offline_access":
			fmt.Fprintf(w, `{"device_code":"d","user_code":"WDJB-MJHT","verification_uri":"http://%s/activate","expires_in":60,"interval":1}`, r.Host)
		case r.URL.Path == "/token" && r.PostFormValue("device_code") == "d" && (asked.Add(1) > 1 || first == ""):
			fmt.Fprint(w, token)
		default:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"error":%q,"error_description":"canary-description"}`, first)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// TestLoginDevice: somebody confirms in a browser, and what the provider gives
// is the password, or the identity token, of the registry.
func TestLoginDevice(t *testing.T) {
	t.Parallel()
	s := startAuthService(t, authServiceOptions{})
	s.admit(userName, userName+":access-canary")
	s.admit(userName, "refresh-canary")
	reg := startRegistry(t, registryOptions{tokens: s.tokenServer})
	flags := func(at string) []string {
		return []string{"login", reg.host, "--device", "--device-endpoint", at + "/device", "--token-endpoint", at + "/token", "--client-id", "cli", "--scope", "openid", "--scope", "offline_access", "-o", "json"}
	}
	for name, tc := range map[string]struct {
		first, token string
		user         bool
		kind         string
		code         int
		words        string
	}{
		"password":       {"authorization_pending", `{"access_token":"access-canary","refresh_token":"refresh-canary","token_type":"Bearer"}`, true, "password", 0, ""},
		"identity token": {"", `{"access_token":"access-canary","refresh_token":"refresh-canary","token_type":"Bearer"}`, false, "identity token", 0, ""},
		"not taken":      {"", `{"access_token":"other-canary","token_type":"Bearer"}`, false, "", exitDenied, "identity token may have expired"},
		"refused":        {"access_denied", ``, true, "", exitDenied, "refused"},
		"too late":       {"expired_token", ``, true, "", exitDenied, "in time"},
		"wrong client":   {"invalid_client", ``, true, "", exitDenied, "client ID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, _ := loginProvider(t, tc.first, tc.token)
			u, args := newUser(t), flags(at)
			if tc.user {
				args = append(args, "-u", userName)
			}
			r := u.portolan(args...)
			if r.code != tc.code || !strings.Contains(r.stderr, "WDJB-MJHT") || !strings.Contains(r.stderr, at+"/activate") || !strings.Contains(r.stderr, tc.words) {
				t.Fatalf("exit status %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			if strings.Contains(r.stdout+r.stderr, "canary") {
				t.Errorf("a secret, or what a provider wrote, is shown: %s%s", r.stdout, r.stderr)
			}
			if tc.code == 0 {
				if !strings.Contains(r.stdout, `"kind": "`+tc.kind+`"`) || !strings.Contains(r.stdout, `"verified": true`) {
					t.Errorf("got %s", r.stdout)
				}
				u.json("push", smallChart(t, "harbour", "1.0.0").path, reg.ref("alice/harbour"))
			}
		})
	}
	u := newUser(t)
	u.portolan("login", reg.host, "--device").fails(t, exitUsage, "--device-endpoint")
	u.portolan("login", reg.host, "--client-id", "cli").fails(t, exitUsage, "--device")
	u.portolan(flags("http://idp.example.com")...).fails(t, exitUsage, "https")
	u.portolan(flags("http://127.0.0.1:1")...).fails(t, exitUnreachable, "127.0.0.1:1")
}
