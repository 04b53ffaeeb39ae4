package registry_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/registry"
)

// canarySong is in every secret of these tests, and must be in nothing that is
// shown.
const canarySong = "canary-1f3a"

// canaryWorld is a registry with all its secrets: a token server, storage
// behind signed URLs, uploads with state in their locations, each refusing in
// its own words.
type canaryWorld struct {
	registry, storage *httptest.Server
	content           []byte
	fails             string // of the storage: "", "status", "cut"
	uploads           string // what the PUT of an upload answers: "", "status", "cut"
}

func newCanaryWorld(t *testing.T) *canaryWorld {
	w := &canaryWorld{content: []byte("soundings")}
	w.storage = httptest.NewServer(http.HandlerFunc(w.store))
	w.registry = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(w.registry.Close)
	t.Cleanup(w.storage.Close)
	return w
}

func (w *canaryWorld) host() string { return strings.TrimPrefix(w.registry.URL, "http://") }

func (w *canaryWorld) serve(rw http.ResponseWriter, req *http.Request) {
	signed := "?X-Amz-Signature=" + canarySong + "&digest=" + req.URL.Query().Get("digest")
	rw.Header().Set("Set-Cookie", "session="+canarySong)
	rw.Header().Add("Warning", `299 - "moving soon; see https://u:`+canarySong+`@new.example/?k=`+canarySong+`"`)
	switch {
	case req.URL.Path == "/token":
		fmt.Fprintf(rw, `{"token":%q,"refresh_token":%q}`, canarySong+"-token", canarySong+"-refresh")
	case !strings.HasPrefix(req.Header.Get("Authorization"), "Bearer "):
		rw.Header().Set("WWW-Authenticate", `Bearer realm="`+w.registry.URL+`/token",service="s"`)
		rw.WriteHeader(http.StatusUnauthorized)
	case strings.Contains(req.URL.Path, "/blobs/uploads/") && req.Method == http.MethodPost:
		rw.Header().Set("Location", "/v2/team/app/blobs/uploads/7?_state="+canarySong)
		rw.WriteHeader(http.StatusAccepted)
	case req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/uploads/"):
		io.Copy(io.Discard, req.Body)
		w.answer(rw, req, w.uploads, http.StatusCreated)
	case strings.Contains(req.URL.Path, "/blobs/"):
		http.Redirect(rw, req, w.storage.URL+"/b"+signed, http.StatusTemporaryRedirect)
	default:
		rw.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(rw, `{"errors":[{"code":"DENIED","message":"ask %s/help?token=%s"}]}`, w.registry.URL, canarySong)
	}
}

func (w *canaryWorld) store(rw http.ResponseWriter, req *http.Request) {
	w.answer(rw, req, w.fails, http.StatusOK)
}

func (w *canaryWorld) answer(rw http.ResponseWriter, req *http.Request, how string, status int) {
	switch how {
	case "status":
		rw.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(rw, "no: %s?%s", req.URL.Path, req.URL.RawQuery)
	case "cut":
		panic(http.ErrAbortHandler)
	default:
		rw.WriteHeader(status)
		if status == http.StatusOK {
			rw.Write(w.content)
		}
	}
}

// options are those of a client that holds every secret there is.
func (w *canaryWorld) options(log *slog.Logger) *registry.Options {
	return &registry.Options{
		Credentials: auth.Static(auth.Resource{Host: w.host()}, auth.Credential{Username: "bob", Password: auth.NewSecret(canarySong), IdentityToken: auth.NewSecret(canarySong)}),
		Hosts: func(string) (registry.HostConfig, error) {
			return registry.HostConfig{Header: http.Header{"X-Team-Key": {canarySong}}}, nil
		},
		Retry:  registry.Retry{Attempts: 2, Wait: 1},
		Logger: log,
	}
}

// No secret is in an error, a log, a step, or a value that is printed.
func Test56NothingShowsASecret(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w := newCanaryWorld(t)
	desc := ocispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromBytes(w.content), Size: int64(len(w.content))}
	steps := &progressLog{}
	ctx := registry.WithProgress(t.Context(), steps)
	shown := map[string]any{}
	for _, fails := range []string{"", "status", "cut"} {
		w.fails, w.uploads = fails, fails
		options := w.options(logger)
		client, err := registry.NewClient(options)
		if err != nil {
			t.Fatal(err)
		}
		repo, err := client.Repository(registry.Reference{Host: w.host(), Repository: "team/app"})
		if err != nil {
			t.Fatal(err)
		}
		note := func(what string, err error) {
			if fails != "" && err == nil {
				t.Errorf("%s, %q: no error to look at", what, fails)
			}
			shown[what+" "+fails] = err
		}
		note("push", repo.Push(ctx, desc, bytes.NewReader(w.content)))
		body, err := repo.Fetch(ctx, desc)
		if err == nil {
			_, err = io.ReadAll(body)
			body.Close()
		}
		note("fetch", err)
		_, err = repo.Resolve(ctx, "1.0.0")
		note("resolve denied"+fails, err)
		req, _ := http.NewRequest(http.MethodGet, w.storage.URL+"/index?key="+canarySong, nil)
		resp, err := client.Do(ctx, req, registry.AuthHint{})
		if err == nil {
			resp.Body.Close()
		}
		note("do", err)
		_, err = client.Login(ctx, auth.NewMemoryStore(), w.host(), auth.Credential{Username: "bob", Password: auth.NewSecret(canarySong)})
		shown["login "+fails] = err
		shown["client "+fails], shown["repository "+fails], shown["options "+fails] = client, repo, *options
		shown["configuration"], _ = options.Hosts("")
	}
	for name, v := range canaryConfigs(t) {
		shown[name] = v
	}
	registry.TellStep(ctx, registry.Step{Kind: registry.StepRetry, Attempt: 2, Err: &url.Error{Op: "Get", URL: "https://s3.example/?sig=" + canarySong, Err: io.EOF}})
	shown["steps"] = steps.steps
	for name, v := range shown {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			wantNoCanary(t, name+" as "+verb, fmt.Sprintf(verb, v))
		}
		data, _ := json.Marshal(v) // some cannot be, which hides as well
		wantNoCanary(t, name+" in JSON", string(data))
		logger.Info("value", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("value", "v", v)
	}
	wantNoCanary(t, "the log", log.String())
	for _, want := range []string{"method=PUT", "_state=REDACTED", "X-Amz-Signature=REDACTED", "bytes=9", "lifetime", "moving soon", "msg=body", "attempt=2"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q, so this test has not seen what it is about", want)
		}
	}
	if n := strings.Count(log.String(), "moving soon"); n != 3 {
		t.Errorf("the registry's warning is in the log %d times, want once for each of 3 clients", n)
	}
}

// canaryConfigs are values that hold keys, and errors about them.
func canaryConfigs(t *testing.T) map[string]any {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "client.pem")
	if err := os.WriteFile(file, []byte("-----BEGIN PRIVATE KEY-----\n"+canarySong+"\n-----END PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, broken := registry.LoadTLS("", file, file)
	if broken == nil {
		t.Fatal("a broken key was read")
	}
	config := registry.TLS{Certificates: []tls.Certificate{{Certificate: [][]byte{[]byte(canarySong)}, PrivateKey: key}}}
	all := map[string]any{"TLS": config, "*TLS": &config, "key file": broken,
		"host with TLS": registry.HostConfig{TLS: &config, Header: http.Header{"X-Key": {canarySong}}}}
	for _, proxy := range []string{"http://u:" + canarySong + "@127.0.0.1:1", "http://u:" + canarySong + "@%zz"} {
		client, err := registry.NewClient(&registry.Options{Retry: registry.Retry{Attempts: 1}, Hosts: func(string) (registry.HostConfig, error) {
			return registry.HostConfig{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(proxy) }}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		repo, _ := client.Repository(registry.Reference{Host: "r.example", Repository: "a"})
		_, err = repo.Resolve(t.Context(), "x")
		if err == nil {
			t.Fatal("a proxy that is not there was used")
		}
		all["proxy "+fmt.Sprint(len(all))] = err
	}
	return all
}

func wantNoCanary(t *testing.T, what, text string) {
	t.Helper()
	if i := strings.Index(text, canarySong); i >= 0 {
		t.Errorf("%s shows a secret: …%s…", what, text[max(0, i-100):min(len(text), i+40)])
	}
	if strings.Contains(text, fmt.Sprintf("%x", canarySong)) {
		t.Errorf("%s shows a secret in hexadecimal", what)
	}
}

// The log tells attempts apart, and how much of a body came before it broke.
func TestLogOfExchanges(t *testing.T) {
	var log bytes.Buffer
	w := newCanaryWorld(t)
	client, err := registry.NewClient(w.options(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequest(http.MethodGet, w.storage.URL+"/index", nil)
	resp, err := client.Do(registry.WithAttempt(t.Context(), 3), req, registry.AuthHint{})
	if err != nil {
		t.Fatal(err)
	}
	io.ReadFull(resp.Body, make([]byte, 4))
	resp.Body.Close()
	resp.Body.Close()
	var records []map[string]any
	for d := json.NewDecoder(&log); ; {
		var r map[string]any
		if err := d.Decode(&r); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		delete(r, "time")
		if took, ok := r["took"].(float64); !ok || took <= 0 {
			t.Errorf("took %v", r["took"])
		}
		delete(r, "took")
		records = append(records, r)
	}
	got, _ := json.Marshal(records)
	address := w.storage.URL + "/index"
	want := `[{"attempt":3,"length":9,"level":"DEBUG","method":"GET","msg":"request","status":200,"url":"` + address +
		`"},{"bytes":4,"level":"DEBUG","msg":"body","url":"` + address + `"}]`
	if string(got) != want {
		t.Errorf("logged\n%s, want\n%s", got, want)
	}
}

func TestHostConfigPrintsWhatItSays(t *testing.T) {
	c := registry.HostConfig{PlaintextCredentials: true, TLS: &registry.TLS{InsecureSkipVerify: true}, Header: http.Header{"X-B": {canarySong}, "X-A": {"1"}},
		MaxConcurrent: 4, Mirrors: []registry.Mirror{{Host: "m.example", Tags: true}}}
	want := "host(plaintext credentials, TLS with 0 roots and 0 client certificates, not verified, headers X-A X-B, 4 requests at once, mirrors [m.example])"
	if got := fmt.Sprintf("%+v", c); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if data, err := json.Marshal(c); err != nil || string(data) != `"`+want+`"` {
		t.Errorf("in JSON: %s, %v", data, err)
	}
}
