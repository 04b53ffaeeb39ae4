package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// shelf is a classic chart repository: files that "helm repo index" has
// listed, and a web server.
type shelf struct {
	dir string

	mu       sync.Mutex
	archives int // that were asked for
	stop     int // after so many archives, the server hangs; 0: never
	stopped  chan struct{}
	password string
}

func newShelf(t testing.TB, list []chartFile) *shelf {
	t.Helper()
	s := &shelf{dir: t.TempDir(), stopped: make(chan struct{})}
	for _, c := range list {
		writeFile(t, filepath.Join(s.dir, filepath.Base(c.path)), c.data)
	}
	newUser(t).run(helm4, "repo", "index", s.dir)
	return s
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, got, _ := r.BasicAuth(); s.password != "" && got != s.password {
		w.Header().Set("WWW-Authenticate", `Basic realm="shelf"`)
		http.Error(w, "who are you", http.StatusUnauthorized)
		return
	}
	if strings.HasSuffix(r.URL.Path, ".tgz") {
		s.mu.Lock()
		s.archives++
		hang := s.stop > 0 && s.archives > s.stop
		if hang && s.archives == s.stop+1 {
			close(s.stopped)
		}
		s.mu.Unlock()
		if hang {
			<-r.Context().Done()
			return
		}
	}
	http.FileServer(http.Dir(s.dir)).ServeHTTP(w, r)
}

// served returns how many archives were asked for since it was last called.
func (s *shelf) served() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.archives
	s.archives, s.stop = 0, 0
	return n
}

// copied is a line of what copy prints with -o json.
type copied struct {
	Name, Version string
	Exists        bool
}

func (u *user) copyAll(args ...string) (list []copied, exist int) {
	u.t.Helper()
	out := u.portolan(append([]string{"copy", "-o", "json"}, args...)...).ok(u.t)
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		u.t.Fatalf("%v in\n%s", err, out)
	}
	for _, c := range list {
		if c.Exists {
			exist++
		}
	}
	return list, exist
}

// TestCopyRepository moves a whole chart repository into a registry with one
// command, which is killed half-way, and with the same command again. Every
// chart then pulls with Helm as it was.
func TestCopyRepository(t *testing.T) {
	t.Parallel()
	list := charts(t)
	for i := range 3 { // enough to be interrupted, where there is no corpus
		list = append(list, smallChart(t, "pier", fmt.Sprintf("0.%d.0", i)))
	}
	s := newShelf(t, list)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	reg := startRegistry(t, registryOptions{})
	u := newUser(t)

	s.stop = len(list) / 2
	kill(t, u, s.stopped, "copy", server.URL, reg.ref("stock"))
	server.CloseClientConnections()
	if n := s.served(); n <= len(list)/2 {
		t.Fatalf("%d archives were asked for before the kill", n)
	}

	all, exist := u.copyAll(server.URL, reg.ref("stock"))
	if len(all) != len(list) || exist == 0 || exist > len(list)/2 {
		t.Errorf("resumed: %d of %d charts, of which %d were there", len(all), len(list), exist)
	}
	if n := s.served(); n > len(list)-exist {
		t.Errorf("resumed: %d archives were downloaded, %d were missing", n, len(list)-exist)
	}
	if all, exist = u.copyAll(server.URL, reg.ref("stock")); exist != len(list) || s.served() != 0 {
		t.Errorf("the third time: %d of %d were there", exist, len(all))
	}
	if all, exist = newUser(t).copyAll("file://"+s.dir, reg.ref("stock")); exist != len(list) {
		t.Errorf("from the directory: %d of %d were there", exist, len(all))
	}
	for _, c := range list {
		t.Run(c.name+"-"+c.version, func(t *testing.T) {
			t.Parallel()
			for name, helm := range helms {
				if got := helmPull(t, helm, reg.ref("stock/%s", c.name), c.version); !bytes.Equal(got, c.data) {
					t.Errorf("%s pulls other bytes", name)
				}
			}
		})
	}
}

// kill starts the command under test and kills it once the channel is closed.
func kill(t *testing.T, u *user, when <-chan struct{}, args ...string) {
	t.Helper()
	bin, err := portolan()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Dir, cmd.Env = u.path("work"), u.environment()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-when:
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-ended
	case err := <-ended:
		t.Fatalf("ended before it could be killed: %v\n%s", err, out.String())
	}
}

// TestCopyRepositoryLocked copies from a repository with a password and a
// certificate of an authority of its own.
func TestCopyRepositoryLocked(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	c := smallChart(t, "harbour", "1.0.0")
	s := newShelf(t, []chartFile{c})
	s.password = password
	server := httptest.NewUnstartedServer(s)
	pair, err := tls.LoadX509KeyPair(ca.serverFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "https://")
	reg := startRegistry(t, registryOptions{})
	u := newUser(t)
	trust := []string{"--ca-file", host + "=" + ca.file}

	u.portolan(append([]string{"copy", server.URL, reg.ref("stock")}, trust...)...).fails(t, exitDenied, host)
	auth := base64.StdEncoding.EncodeToString([]byte(userName + ":" + password))
	writeFile(t, u.dockerFile(), fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, host, auth))
	u.portolan("copy", server.URL, reg.ref("stock")).fails(t, exitUnreachable, "certificate")
	if all, _ := u.copyAll(append([]string{server.URL, reg.ref("stock")}, trust...)...); len(all) != 1 {
		t.Errorf("copied: %+v", all)
	}
	if got := helmPull(t, helm4, reg.ref("stock/harbour"), "1.0.0"); !bytes.Equal(got, c.data) {
		t.Error("helm pulls other bytes")
	}
}

// TestCopyRepositoryFails: each chart that cannot be copied has a line, and
// the others are copied.
func TestCopyRepositoryFails(t *testing.T) {
	t.Parallel()
	good, bad := smallChart(t, "harbour", "1.0.0"), smallChart(t, "pier", "1.0.0")
	s := newShelf(t, []chartFile{good, bad})
	writeFile(t, filepath.Join(s.dir, filepath.Base(bad.path)), []byte("other bytes"))
	reg := startRegistry(t, registryOptions{})
	u := newUser(t)
	r := u.portolan("copy", "file://"+s.dir, reg.ref("stock"))
	if r.code != exitVerify || !strings.Contains(r.stdout, "stock/harbour:1.0.0") || strings.Count(r.stderr, "\n") != 2 || !strings.Contains(r.stderr, "pier 1.0.0") {
		t.Errorf("exit status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	u.portolan("copy", "https://127.0.0.1:1/charts", reg.ref("stock")).fails(t, exitUnreachable, "127.0.0.1:1")
	u.portolan("copy", "file:///no/such/directory", reg.ref("stock")).fails(t, exitOther, "/no/such/directory")
	u.portolan("copy", "file://"+s.dir, reg.ref("stock"), "--version", "^99").fails(t, exitNotFound, `no version matches "^99"`)
	if r := u.portolan("copy", "file://"+s.dir, reg.ref("stock"), "--version", "^99", "--chart", "harbour"); r.code != exitNotFound || !strings.Contains(r.stderr, "there are 1.0.0") {
		t.Errorf("exit status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// TestCopyRepositoryOrder: what is printed as JSON is in one order, whichever
// copy was done first.
func TestCopyRepositoryOrder(t *testing.T) {
	t.Parallel()
	var list []chartFile
	for i := range 20 {
		list = append(list, smallChart(t, fmt.Sprintf("pier-%02d", i), "1.0.0"))
	}
	s := newShelf(t, list)
	reg := startRegistry(t, registryOptions{})
	all, _ := newUser(t).copyAll("file://"+s.dir, reg.ref("stock"), "--parallel", "8")
	for i, c := range all {
		if want := fmt.Sprintf("pier-%02d", i); c.Name != want {
			t.Fatalf("%d is %s, want %s", i, c.Name, want)
		}
	}
}
