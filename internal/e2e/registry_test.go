package e2e_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Who may enter the registries that ask.
const (
	userName = "alice"
	password = "correct horse"
)

// registryServer is a distribution registry that runs as a process.
type registryServer struct {
	host   string // 127.0.0.1:port
	scheme string
	client *http.Client
	root   string // where it keeps its content
	kill   func() // ends it as SIGKILL does; it may have ended
}

// registryOptions shape a registry; the zero value is an open one over HTTP.
type registryOptions struct {
	htpasswd bool
	users    string       // the htpasswd file, in place of one that lets userName in
	ca       *authority   // TLS with a certificate of this authority
	mutual   bool         // clients need a certificate of ca
	tokens   *tokenServer // bearer tokens
	upstream string       // the URL of a registry of which it is a pull-through cache
}

// startRegistry starts a registry that lives as long as the test.
func startRegistry(t testing.TB, opts registryOptions) *registryServer {
	t.Helper()
	config, root := filepath.Join(t.TempDir(), "config.json"), t.TempDir()
	writeFile(t, config, registryConfig(t, root, opts))
	// JSON is YAML. Tracing is off: its exporter looks for a collector.
	cmd := exec.Command(distribution.binary(t), "serve", config)
	cmd.Env = []string{"OTEL_TRACES_EXPORTER=none", "HOME=" + t.TempDir()}
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = cmd.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address, log := make(chan string, 1), &logBuffer{}
	read := make(chan struct{})
	go func() {
		defer close(read)
		log.follow(logs, address)
	}()
	kill := sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait() // killed: its status says nothing
	})
	t.Cleanup(func() {
		kill()
		if t.Failed() {
			t.Logf("last lines of the registry's log:\n%s", log.tail(4000))
		}
	})
	r := &registryServer{scheme: "http", client: &http.Client{Timeout: 30 * time.Second}, root: root, kill: kill}
	if opts.ca != nil {
		r.scheme = "https"
		r.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	}
	select {
	case r.host = <-address:
	case <-read:
		t.Fatalf("the registry has ended:\n%s", log.tail(4000))
	case <-time.After(30 * time.Second):
		t.Fatalf("the registry does not listen after 30 s:\n%s", log.tail(4000))
	}
	return r
}

func registryConfig(t testing.TB, root string, opts registryOptions) []byte {
	t.Helper()
	type object = map[string]any
	server := object{"addr": "127.0.0.1:0", "secret": "harbour"}
	config := object{
		"version": "0.1",
		"log":     object{"level": "info", "accesslog": object{"disabled": true}},
		"storage": object{
			"filesystem":  object{"rootdirectory": root},
			"delete":      object{"enabled": true},
			"maintenance": object{"uploadpurging": object{"enabled": false}},
		},
		"http": server,
	}
	if opts.users != "" {
		config["auth"] = object{"htpasswd": object{"realm": "harbour", "path": opts.users}}
	}
	if opts.htpasswd {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "htpasswd")
		writeFile(t, file, fmt.Appendf(nil, "%s:%s\n", userName, hash))
		config["auth"] = object{"htpasswd": object{"realm": "harbour", "path": file}}
	}
	if opts.tokens != nil {
		config["auth"] = object{"token": object{
			"realm": opts.tokens.realm(), "service": tokenService, "issuer": tokenIssuer, "jwks": opts.tokens.writeKeys(t),
		}}
	}
	if opts.ca != nil {
		certificate, key := opts.ca.serverFiles(t)
		settings := object{"certificate": certificate, "key": key}
		if opts.mutual {
			settings["clientcas"] = []string{opts.ca.file}
		}
		server["tls"] = settings
	}
	if opts.upstream != "" {
		config["proxy"] = object{"remoteurl": opts.upstream}
	}
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// logBuffer keeps what a process complains of, and finds the port in its log.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

var listening = regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)

func (l *logBuffer) follow(r io.Reader, address chan<- string) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			select {
			case address <- m[1]:
			default:
			}
		}
		if strings.Contains(lines.Text(), "level=info") || strings.Contains(lines.Text(), "unknown tag") {
			continue // each request that went well, and each look for a free tag
		}
		l.mu.Lock()
		l.buf.WriteString(lines.Text() + "\n")
		l.mu.Unlock()
	}
}

func (l *logBuffer) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.buf.String()
	return s[max(0, len(s)-n):]
}

// ref builds a reference at this registry.
func (r *registryServer) ref(format string, args ...any) string {
	return r.host + "/" + fmt.Sprintf(format, args...)
}

// do talks to the registry beneath all clients.
func (r *registryServer) do(t testing.TB, method, path, contentType string, body []byte) (http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.scheme+"://"+r.host+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", manifestType+", "+indexType)
	req.SetBasicAuth(userName, password)
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s\n%s", method, path, resp.Status, data)
	}
	return resp.Header, data
}

// Media types of the OCI image spec 1.1.
const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	indexType    = "application/vnd.oci.image.index.v1+json"
)

// manifest returns the bytes of a manifest as the registry keeps them.
func (r *registryServer) manifest(t testing.TB, repository, tag string) []byte {
	t.Helper()
	_, data := r.do(t, http.MethodGet, "/v2/"+repository+"/manifests/"+tag, "", nil)
	return data
}

// blob returns the bytes of a blob.
func (r *registryServer) blob(t testing.TB, repository, digest string) []byte {
	t.Helper()
	_, data := r.do(t, http.MethodGet, "/v2/"+repository+"/blobs/"+digest, "", nil)
	return data
}

// putBlob uploads a blob and returns its descriptor.
func (r *registryServer) putBlob(t testing.TB, repository, mediaType string, data []byte) descriptor {
	t.Helper()
	header, _ := r.do(t, http.MethodPost, "/v2/"+repository+"/blobs/uploads/", "", nil)
	location := strings.TrimPrefix(header.Get("Location"), r.scheme+"://"+r.host)
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	d := descriptor{MediaType: mediaType, Digest: "sha256:" + sum(data), Size: int64(len(data))}
	r.do(t, http.MethodPut, location+separator+"digest="+d.Digest, "application/octet-stream", data)
	return d
}

// putManifest stores a manifest under a tag and returns its digest.
func (r *registryServer) putManifest(t testing.TB, repository, tag string, manifest any) string {
	t.Helper()
	data, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	r.do(t, http.MethodPut, "/v2/"+repository+"/manifests/"+tag, manifestType, data)
	return "sha256:" + sum(data)
}

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// imageManifest is as much of a manifest as these tests read and write.
type imageManifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

func writeFile(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
