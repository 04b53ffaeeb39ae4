package auth

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Variables that make this test binary a process that writes a file.
const (
	filesChildPath  = "AUTH_TEST_CHILD_FILE"
	filesChildHost  = "AUTH_TEST_CHILD_HOST"
	filesChildCrash = "AUTH_TEST_CHILD_CRASH" // ends before the rename
	filesChildFrom  = "AUTH_TEST_CHILD_FROM"  // writes number after number from this one on
)

// TestFilesChild is the body of the processes that other tests start.
func TestFilesChild(t *testing.T) {
	path := os.Getenv(filesChildPath)
	if path == "" {
		t.Skip("runs as a process of another test")
	}
	f, err := NewDockerStore(path, plaintext)
	if err != nil {
		t.Fatal(err)
	}
	r := Resource{Host: os.Getenv(filesChildHost)}
	if os.Getenv(filesChildCrash) != "" {
		f.beforeCommit = func() { os.Exit(7) }
	}
	n, err := strconv.Atoi(os.Getenv(filesChildFrom))
	if err != nil {
		if _, err := f.Put(t.Context(), r, password("u", "new")); err != nil {
			t.Fatal(err)
		}
		return
	}
	f.settle = 0
	fmt.Println("ready")
	for ; ; n++ {
		if _, err := f.Put(t.Context(), r, password("u", strconv.Itoa(n))); err != nil {
			t.Fatal(err)
		}
	}
}

func filesChild(path, host string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestFilesChild$")
	cmd.Env = append(os.Environ(), append(env, "GORACE=atexit_sleep_ms=0", filesChildPath+"="+path, filesChildHost+"="+host)...)
	return cmd
}

// Test18CrashBeforeRename: a process that ends between writing and renaming
// leaves the old file, and nothing that the next writer would not clean up.
func Test18CrashBeforeRename(t *testing.T) {
	f := fileStore(t, auths("a.io", "u:1"), plaintext)
	before := read(t, f.Path())
	exit := new(exec.ExitError)
	if err := filesChild(f.Path(), "r.io", filesChildCrash+"=1").Run(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Fatalf("the child ended with %v", err)
	}
	if got := read(t, f.Path()); got != before {
		t.Errorf("the file is now %s", got)
	}
	if len(filesLeft(t, f)) != 1 {
		t.Errorf("left behind: %q; this test wants one file, to see it go", filesLeft(t, f))
	}
	if _, err := f.Put(t.Context(), Resource{Host: "r.io"}, password("u", "2")); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if left := filesLeft(t, f); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// Test18Killed kills writing processes at random points: the file is the one
// before or the one after a write, byte for byte, and the lock is free.
func Test18Killed(t *testing.T) {
	const lanes, kills = 4, 50
	for lane := range lanes {
		t.Run(strconv.Itoa(lane), func(t *testing.T) {
			t.Parallel()
			f := fileStore(t, `{"keep": [1,  2], "auths": {"a.io": {"auth": "dTox", "note": 1.50}}}`, plaintext)
			r := Resource{Host: "r.io"}
			put := func(n int) {
				if _, err := f.Put(t.Context(), r, password("u", strconv.Itoa(n))); err != nil {
					t.Fatal(err)
				}
			}
			put(0)
			first := read(t, f.Path())
			last := 0
			for range kills {
				filesKill(t, f.Path(), r.Host, last+1)
				now := read(t, f.Path())
				c, err := f.Credential(t.Context(), r)
				if err != nil {
					t.Fatalf("%v: %s", err, now)
				}
				n, err := strconv.Atoi(c.Password.Reveal())
				if want := strings.Replace(first, b64("u:0"), b64(fmt.Sprint("u:", n)), 1); err != nil || n < last || now != want {
					t.Fatalf("after number %d: %s", last, now)
				}
				last = n + 1
				put(last) // nobody holds the lock
				if left := filesLeft(t, f); len(left) > 0 {
					t.Fatalf("left behind: %q", left)
				}
			}
			if last < kills+2 {
				t.Errorf("the processes wrote nothing before they were killed: the number is %d", last)
			}
		})
	}
}

func filesKill(t *testing.T, path, host string, from int) {
	t.Helper()
	cmd := filesChild(path, host, filesChildFrom+"="+strconv.Itoa(from))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	time.Sleep(rand.N(8 * time.Millisecond))
	if killErr := cmd.Process.Kill(); err != nil || line != "ready\n" || killErr != nil {
		t.Errorf("the process said %q: %v, %v", line, err, killErr)
	}
	cmd.Wait()
}

// filesLeft lists what is beside the file and its lock.
func filesLeft(t *testing.T, f *FileStore) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(f.Path()))
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		if base := filepath.Base(f.Path()); e.Name() != base && e.Name() != base+".lock" {
			left = append(left, e.Name())
		}
	}
	return left
}
