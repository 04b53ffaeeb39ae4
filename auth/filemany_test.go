package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Test19ManyWriters: 100 goroutines and 20 processes log in to different hosts
// at once, beside a program that takes no lock, and somebody reads all the
// time. No entry is lost, theirs included, and the file can always be read.
func Test19ManyWriters(t *testing.T) {
	const processes, goroutines = 20, 100
	path := filepath.Join(t.TempDir(), "config.json")
	f, err := NewDockerStore(path, plaintext)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	other := filesOther{path: path, stop: stop}
	var beside, logins sync.WaitGroup
	beside.Go(func() { other.write(t) })
	beside.Go(func() { filesPoll(t, path, stop) })
	var hosts []string
	for i := range processes {
		host := fmt.Sprintf("p%d.example", i)
		hosts = append(hosts, host)
		logins.Go(func() {
			if out, err := filesChild(path, host).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	for i := range goroutines {
		host := fmt.Sprintf("g%d.example", i)
		hosts = append(hosts, host)
		logins.Go(func() {
			if _, err := f.Put(t.Context(), Resource{Host: host}, password("u", "new")); err != nil {
				t.Error(err)
			}
		})
	}
	logins.Wait()
	close(stop)
	beside.Wait()
	lost := 0
	for _, host := range append(hosts, other.hosts...) {
		if _, err := f.Credential(t.Context(), Resource{Host: host}); err != nil {
			lost++
			t.Errorf("%s is lost: %v", host, err)
		}
	}
	t.Logf("%d entries of the other program, %d lost", len(other.hosts), lost)
	if len(other.hosts) < 10 {
		t.Errorf("the other program wrote %d times: it was not beside", len(other.hosts))
	}
	if left := filesLeft(t, f); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// filesOther writes as docker and podman do: it reads, writes another file and
// renames it, and takes no lock. Where the machine was too busy to let it do so
// in half of the time that Put waits, it starts again.
type filesOther struct {
	path  string
	stop  chan struct{}
	hosts []string
}

func (o *filesOther) write(t *testing.T) {
	for i := 0; ; {
		select {
		case <-o.stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
		host := fmt.Sprintf("o%d.example", i)
		done, err := o.login(host)
		if err != nil {
			t.Errorf("the other program: %v", err)
			return
		}
		if done {
			o.hosts = append(o.hosts, host)
			i++
		}
	}
}

func (o *filesOther) login(host string) (done bool, err error) {
	began := time.Now()
	file := struct {
		Auths map[string]map[string]any `json:"auths"`
	}{map[string]map[string]any{}}
	data, err := os.ReadFile(o.path)
	if err == nil {
		err = json.Unmarshal(data, &file)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return false, err
	}
	file.Auths[host] = map[string]any{"auth": b64("u:other")}
	out, err := json.MarshalIndent(file, "", "\t")
	if err != nil {
		return false, err
	}
	temp, err := os.CreateTemp(filepath.Dir(o.path), "other")
	if err != nil {
		return false, err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(out)
	if err := errors.Join(err, temp.Close()); err != nil {
		return false, err
	}
	if time.Since(began) > settleTime/2 {
		return false, nil
	}
	return true, os.Rename(temp.Name(), o.path)
}

// filesPoll reads until it is told to stop.
func filesPoll(t *testing.T, path string, stop chan struct{}) {
	for seen := false; ; {
		data, err := os.ReadFile(path)
		if err == nil {
			seen = true
			_, err = parseConfig(data)
		} else if errors.Is(err, fs.ErrNotExist) && !seen {
			err = nil
		}
		if err != nil || seen && len(data) == 0 {
			t.Errorf("the file cannot be read: %v", err)
			return
		}
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
		}
	}
}
