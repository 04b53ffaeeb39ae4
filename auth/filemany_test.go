package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
	for _, host := range append(hosts, other.hosts...) {
		if _, err := f.Credential(t.Context(), Resource{Host: host}); err != nil {
			t.Errorf("%s is lost: %v", host, err)
		}
	}
	if len(other.hosts) < 10 {
		t.Errorf("the other program wrote %d times: it was not beside", len(other.hosts))
	}
	if left := filesLeft(t, f); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// Test19Lock: who writes waits for the lock that users of this package share,
// for as long as the context lets it, and then tells what it has waited for.
func Test19Lock(t *testing.T) {
	f := fileStore(t, "{}", plaintext)
	unlock, err := lockFile(t.Context(), f.Path()+".lock")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	r := Resource{Host: "r.io"}
	if _, err := f.Put(ctx, r, password("u", "1")); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "config.json.lock") {
		t.Errorf("with the lock held elsewhere: %v", err)
	}
	filesAsk{"r.io", ""}.put(t, f)
	unlock()
	if _, err := f.Put(t.Context(), r, password("u", "1")); err != nil {
		t.Error(err)
	}
}

// filesOther writes as docker and podman do: it reads, writes another file and
// renames it, and takes no lock. Those take a millisecond for it; where a busy
// machine stretches that to what nobody looks after (see settleTime), it throws
// away what it has read, and reads again.
type filesOther struct {
	path  string
	stop  chan struct{}
	hosts []string
}

// filesStale is how old may be what filesOther has read: a part of settleTime,
// since the machine may be busy in the rename as well.
const filesStale = settleTime / 4

var errFilesStale = errors.New("it was read too long ago")

func (o *filesOther) write(t *testing.T) {
	const many = 60 // so that the file does not grow with the time that this takes
	for i := 0; ; i++ {
		select {
		case <-o.stop:
			return
		case <-time.After(5 * time.Millisecond):
		}
		host := fmt.Sprintf("o%d.example", i%many)
		switch err := o.login(host, fmt.Sprint("u:", i)); {
		case errors.Is(err, errFilesStale):
			i-- // again
		case err != nil:
			t.Errorf("the other program: %v", err)
			return
		case i < many:
			o.hosts = append(o.hosts, host)
		}
	}
}

func (o *filesOther) login(host, secret string) error {
	file := struct {
		Auths map[string]map[string]any `json:"auths"`
	}{map[string]map[string]any{}}
	read := time.Now()
	data, err := os.ReadFile(o.path)
	if err == nil {
		err = json.Unmarshal(data, &file)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return err
	}
	file.Auths[host] = map[string]any{"auth": b64(secret)}
	out, err := json.MarshalIndent(file, "", "\t")
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(o.path), "other")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(out)
	if err := errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if time.Since(read) > filesStale {
		return errFilesStale
	}
	return os.Rename(temp.Name(), o.path)
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
