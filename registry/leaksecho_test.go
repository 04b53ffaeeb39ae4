package registry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

// leaksEcho is a registry that repeats all that it was sent, wherever an answer
// has words.
type leaksEcho struct {
	*httptest.Server
	status int
	broken bool // the status line itself is its words
	token  bool // so does its token server
}

func (s *leaksEcho) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	words := leakText(req, body)
	if req.URL.Path == "/token" && !s.token {
		io.WriteString(w, `{"token":"canary-of-a-token"}`)
		return
	}
	if req.URL.Path != "/token" && req.Header.Get("Authorization") == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.URL+`/token"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	line := strings.Join(strings.Fields(words), " ")
	if s.broken {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			fmt.Fprintf(conn, "%s\r\n\r\n", line) // net/http shows such a line whole
			conn.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, conn)
			conn.Close()
		}
		return
	}
	var list []map[string]string
	for _, word := range strings.Fields(words) {
		list = append(list, map[string]string{"code": word, "message": word})
	}
	w.Header().Set("Warning", fmt.Sprintf(`299 - "%s"`, strings.ReplaceAll(line, `"`, "")))
	w.WriteHeader(s.status)
	json.NewEncoder(w).Encode(map[string]any{"errors": list, "error": "UNKNOWN", "error_description": line})
}

// A server that repeats what it was sent does not make an error or a log of it.
func Test55Echoes(t *testing.T) {
	for _, credential := range []auth.Credential{
		{Username: "me", Password: auth.NewSecret(`canary-of/the <"user">&`)},
		{Username: "me", Password: auth.NewSecret("canary")}, // could be a code
		{IdentityToken: auth.NewSecret("canary-of-an-identity")},
		{RegistryToken: auth.NewSecret("canary-of-a-ready-token")},
	} {
		for _, s := range []leaksEcho{{status: 400}, {status: 401}, {status: 403}, {status: 404}, {status: 409}, {status: 429}, {status: 500}, {status: 503}, {status: 400, token: true}, {status: 403, token: true}, {broken: true}, {broken: true, token: true}} {
			t.Run(fmt.Sprintf("%d broken %v token server %v", s.status, s.broken, s.token), func(t *testing.T) {
				s.Server = httptest.NewServer(&s)
				t.Cleanup(s.Close)
				leaksAskAll(t, s.URL, credential)
			})
		}
	}
}

// A redirect that repeats what was sent, whether it can be followed or not, and
// an answer that is no HTTP, do not make an error or a log of it either.
func Test55EchoesOutsideOfBodies(t *testing.T) {
	const answer, redirect = "HTTP/1.1 200 OK\r\n", "HTTP/1.1 307 Elsewhere\r\nContent-Length: 0\r\nLocation: "
	for _, form := range []string{
		"%s", "HTTP/1.1 %s", "HTTP/%s 200 OK", answer + "%s", answer + "Content-Length: %s", answer + "Transfer-Encoding: %s",
		redirect + "http://[%s", redirect + "/%%zz%s", redirect + "//%s:x/", redirect + "%s://127.0.0.1:1/", redirect + "http://127.0.0.1:1/%s", redirect + "/away/%s",
	} {
		for _, secret := range []string{"canary-of-the-user", "canary-of-a-header"} {
			var looped atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if _, password, _ := req.BasicAuth(); password != "canary-of-the-user" && !strings.HasPrefix(req.URL.Path, "/away/") {
					w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				if req.Header.Get("X-Team-Key") != "canary-of-a-header" {
					t.Error("the header of the host was not sent")
				}
				looped.Add(1)
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				fmt.Fprintf(conn, form+"\r\n\r\n", secret)
				conn.Close()
			}))
			var lines bytes.Buffer
			host := strings.TrimPrefix(s.URL, "http://")
			client, err := registry.NewClient(&registry.Options{
				Logger: leaksLogger(&lines), Retry: registry.Retry{Attempts: 1},
				Credentials: auth.Static(auth.Resource{Host: host}, auth.Credential{Username: "me", Password: auth.NewSecret("canary-of-the-user")}),
				Hosts: func(string) (registry.HostConfig, error) {
					return registry.HostConfig{Header: http.Header{"X-Team-Key": {"canary-of-a-header"}}}, nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			repo, err := client.Repository(registry.Reference{Host: host, Repository: "team/app"})
			if err != nil {
				t.Fatal(err)
			}
			_, err = repo.Resolve(t.Context(), "1")
			s.Close()
			if err == nil || looped.Load() == 0 {
				t.Errorf("%q: %v after %d answers", form, err, looped.Load())
			}
			for _, text := range append(leaksChain(err), lines.String()) {
				if strings.Contains(text, secret) {
					t.Errorf("%q: %s", form, text)
				}
			}
		}
	}
}

// leaksAskAll does what a client does, which fails, and looks at what is shown.
func leaksAskAll(t *testing.T, at string, credential auth.Credential) {
	t.Helper()
	ctx, host := t.Context(), strings.TrimPrefix(at, "http://")
	var lines bytes.Buffer
	client, err := registry.NewClient(&registry.Options{
		Logger: leaksLogger(&lines), Retry: registry.Retry{Attempts: 1},
		Credentials: auth.Static(auth.Resource{Host: host}, credential),
		Hosts: func(string) (registry.HostConfig, error) {
			return registry.HostConfig{Header: http.Header{"X-Team-Key": {"canary-of-a-header"}}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: host, Repository: "team/app"})
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("content")
	desc := leakDescriptor(content)
	errs := map[string]error{}
	_, errs["resolve"] = repo.Resolve(ctx, "1")
	_, errs["fetch"] = fetchAll(ctx, repo, desc)
	errs["push"] = repo.Push(ctx, desc, bytes.NewReader(content))
	errs["delete"] = repo.Delete(ctx, desc)
	for _, err := range registry.Tags(ctx, repo) {
		errs["tags"] = err
	}
	_, errs["capabilities"] = client.Capabilities(ctx, registry.Reference{Host: host})
	req, err := http.NewRequest(http.MethodPost, at+"/x?key=canary-of-a-query", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Private-Token", "canary-of-the-caller")
	req.Header.Set("Cookie", "session=canary-of-the-caller")
	_, errs["do"] = client.Do(ctx, req, registry.AuthHint{})
	_, errs["log in"] = client.Login(ctx, auth.NewMemoryStore(), host, credential)
	for what, err := range errs {
		if err == nil && what != "capabilities" && what != "push" {
			t.Errorf("%s: no error to look at", what)
		}
		for _, text := range leaksChain(err) {
			if strings.Contains(text, "canary") {
				t.Errorf("%s: %s", what, text)
			}
		}
	}
	if text := errs["delete"].Error(); strings.Contains(text, "the registry says") && !strings.Contains(text, "REDACTED") {
		t.Errorf("%s: the registry's words are not in it, so this test has not seen what it is about", text)
	}
	if strings.Contains(lines.String(), "canary") {
		t.Errorf("in the log: %s", lines.String())
	}
}
