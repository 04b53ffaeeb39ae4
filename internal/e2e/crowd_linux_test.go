package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	crowdHosts = 20
	crowdKills = 50
)

// crowdForward gives a registry another address: bytes go to and fro.
func crowdForward(t *testing.T, reg *registryServer) (host string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("tcp", reg.host)
				if err != nil {
					return
				}
				defer out.Close()
				go func() {
					_, _ = io.Copy(out, in)
					_ = out.(*net.TCPConn).CloseWrite()
				}()
				_, _ = io.Copy(in, out)
			}()
		}
	}()
	return listener.Addr().String()
}

// crowdEntries are the hosts that a config.json has entries for. What is no
// JSON is an error: no reader may ever see it.
func crowdEntries(name string) (map[string]json.RawMessage, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]json.RawMessage{}, nil
	}
	if err != nil {
		return nil, err
	}
	var file struct{ Auths map[string]json.RawMessage }
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%w: %q", err, data)
	}
	return file.Auths, nil
}

// crowdWriter writes config.json as docker does, without a lock: it reads,
// changes an entry of its own, writes a file beside it and renames that. What
// comes into the file between its reading and its renaming it takes away, and
// knows that.
type crowdWriter struct {
	file   string
	writes int
	lost   map[string]bool // hosts whose entries it has taken away
}

func (w *crowdWriter) write() error {
	read, err := crowdEntries(w.file)
	if err != nil {
		return err
	}
	w.writes++
	read["docker.example"] = json.RawMessage(fmt.Sprintf(`{"auth":"ZG9ja2VyOnNlY3JldA==","write":"%d"}`, w.writes))
	data, err := json.MarshalIndent(map[string]any{"auths": read, "currentContext": "harbour"}, "", "\t")
	if err != nil {
		return err
	}
	temp := filepath.Join(filepath.Dir(w.file), "config.json.docker")
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return err
	}
	// Exchanged, and not only renamed: what was replaced can be looked at.
	if err := unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, w.file, unix.RENAME_EXCHANGE); err != nil {
		return err
	}
	replaced, err := crowdEntries(temp)
	if err := errors.Join(err, os.Remove(temp)); err != nil { // somebody may still read it
		return err
	}
	for host := range replaced {
		if _, there := read[host]; !there {
			w.lost[host] = true
		}
	}
	return nil
}

// crowdRepeat does something over and over beside a test's work; end waits for
// it and gives the first failure.
func crowdRepeat(do func() error, pause time.Duration) (end func() error) {
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			case <-time.After(pause):
			}
			if err := do(); err != nil {
				done <- err
				return
			}
		}
	}()
	return sync.OnceValue(func() error {
		close(stop)
		return <-done
	})
}

// TestLoginCrowd logs in to twenty registries at once, beside a writer that
// takes no lock and a reader that must always find a whole file: every entry
// is there in the end, what the writer has taken away in between too, and works.
func TestLoginCrowd(t *testing.T) {
	t.Parallel()
	reg, c, _ := guarded(t, registryOptions{htpasswd: true})
	u := newUser(t)
	var hosts []string
	for range crowdHosts {
		hosts = append(hosts, crowdForward(t, reg))
	}
	writer := &crowdWriter{file: u.dockerFile(), lost: map[string]bool{}}
	writeFile(t, u.dockerFile(), []byte(`{"auths":{"kept.example":{"auth":"a2VwdDpzZWNyZXQ="}},"currentContext":"harbour"}`))
	endWriter := crowdRepeat(writer.write, 20*time.Millisecond)
	endReader := crowdRepeat(func() error {
		entries, err := crowdEntries(u.dockerFile())
		if _, there := entries["kept.example"]; err == nil && !there {
			return fmt.Errorf("an old entry is gone: %q", slices.Collect(maps.Keys(entries)))
		}
		return err
	}, 0)

	bin := mustPortolan(t)
	var all sync.WaitGroup
	for _, host := range hosts {
		all.Go(func() {
			r := u.start(password, bin, "login", host, "-u", userName, "--password-stdin")
			if r.code != 0 {
				t.Errorf("%s: %d %s", r.line, r.code, r.stderr)
			}
		})
	}
	all.Wait()
	if err := errors.Join(endWriter(), endReader()); err != nil {
		t.Error(err)
	}
	entries, err := crowdEntries(u.dockerFile())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d logins beside %d writes, which took %d entries away for a while", len(hosts), writer.writes, len(writer.lost))
	for _, host := range append(hosts, "docker.example", "kept.example") {
		if _, there := entries[host]; !there {
			t.Errorf("the entry of %s is lost; the writer had taken it away: %t", host, writer.lost[host])
		}
	}
	for _, host := range hosts {
		u.portolan("pull", host+"/team/harbour:1.0.0", "-d", u.path("got"), "--cache", u.path("caches", host)).ok(t)
	}
	if !strings.Contains(string(readFile(t, u.dockerFile())), `"currentContext": "harbour"`) {
		t.Error("a setting is gone")
	}
	if sum(readFile(t, u.path("got", filepath.Base(c.path)))) != sum(c.data) {
		t.Error("other bytes came")
	}
}

// TestLoginKilled ends logins as kill -9 does, at moments of chance: the file
// is always the old or the new one, and whoever comes next waits for nobody.
func TestLoginKilled(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{htpasswd: true})
	u := newUser(t)
	const old = `{"auths":{"kept.example":{"auth":"a2VwdDpzZWNyZXQ="}},"currentContext":"harbour"}`
	writeFile(t, u.dockerFile(), []byte(old))
	bin := mustPortolan(t)
	began := time.Now()
	u.login(reg.host)
	whole := time.Since(began)
	logged := readFile(t, u.dockerFile())

	endReader := crowdRepeat(func() error {
		data, err := os.ReadFile(u.dockerFile())
		if err == nil && string(data) != old && string(data) != string(logged) {
			err = fmt.Errorf("neither the old file nor the new one: %q", data)
		}
		return err
	}, 0)
	outcomes := map[string]int{}
	for range crowdKills {
		outliveReplace(t, u.dockerFile(), []byte(old))
		cmd := exec.CommandContext(t.Context(), bin, "login", reg.host, "-u", userName, "--password-stdin")
		cmd.Env, cmd.Stdin = u.environment(), strings.NewReader(password)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.Float64() * rand.Float64() * float64(whole))) // early ones are more telling
		_ = cmd.Process.Kill()
		switch err := cmd.Wait(); {
		case err == nil:
			outcomes["ended before"]++
		case string(readFile(t, u.dockerFile())) == old:
			outcomes["old"]++
		default:
			outcomes["new"]++
		}
	}
	if err := endReader(); err != nil {
		t.Error(err)
	}
	t.Logf("a login takes %s; of %d killed ones: %v", whole, crowdKills, outcomes)
	if outcomes["old"] == 0 {
		t.Error("none was killed in time")
	}
	outliveReplace(t, u.dockerFile(), []byte(old))
	began = time.Now()
	u.login(reg.host)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the next login has waited for %s", took)
	}
	if got := readFile(t, u.dockerFile()); string(got) != string(logged) {
		t.Errorf("the next login has written %s", got)
	}
	// What the killed ones were about to write has secrets in it.
	if files := listFiles(t, u.path("docker")); !slices.Equal(files, []string{"config.json", "config.json.lock"}) {
		t.Errorf("left behind: %q", files)
	}
}
