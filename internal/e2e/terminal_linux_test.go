package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal makes a pseudo-terminal of 120 columns.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120})
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	return master, slave
}

// onTerminal runs the command with standard error on a terminal, and returns
// what was drawn there.
func (u *user) onTerminal(args ...string) (drawn, stdout string, code int) {
	t := u.t.(*testing.T)
	t.Helper()
	bin, err := portolan()
	if err != nil {
		t.Fatal(err)
	}
	master, slave := openTerminal(t)
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Dir, cmd.Env = u.path("work"), append(u.environment(), "TERM=xterm")
	cmd.Stdout, cmd.Stderr = &out, slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	text, _ := io.ReadAll(master) // ends with EIO when the command has
	_ = cmd.Wait()
	return string(text), out.String(), cmd.ProcessState.ExitCode()
}

// slowBody gives 128 KiB each 50 ms.
type slowBody struct{ io.ReadCloser }

func (b slowBody) Read(p []byte) (int, error) {
	time.Sleep(50 * time.Millisecond)
	return b.ReadCloser.Read(p[:min(len(p), 128<<10)])
}

var percentBar = regexp.MustCompile(`pull cargo +\[[=> ]+\] +[0-9.]+ [KM]iB / 2\.[0-9] MiB +[0-9.]+ [KM]iB/s`)

// TestProgressBar: on a terminal, a download that takes a while has a bar, and
// nothing is left of it in the end.
func TestProgressBar(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	c := bigChart(t, "cargo", 2<<20)
	newUser(t).json("push", c.path, reg.ref("team/cargo:1.0.0"))
	host := startProxy(t, reg, func(r *http.Response) error {
		if isBlob(r) {
			r.Body = slowBody{r.Body}
		}
		return nil
	})
	u := newUser(t)
	drawn, stdout, code := u.onTerminal("pull", host+"/team/cargo:1.0.0")
	if code != 0 || !strings.Contains(stdout, "cargo-1.0.0.tgz") {
		t.Fatalf("exit status %d, %q, %q", code, stdout, drawn)
	}
	if n := len(percentBar.FindAllString(drawn, -1)); n < 2 {
		t.Errorf("%d bars were drawn: %q", n, drawn)
	}
	if end := drawn[strings.LastIndex(drawn, "\n")+1:]; strings.Trim(end, "\r") != "\x1b[1A\x1b[J" && end != "" {
		t.Errorf("left on the screen: %q", end)
	}

	drawn, _, code = u.onTerminal("pull", reg.ref("team/cargo:1.0.0"))
	if code != 0 || drawn != "" {
		t.Errorf("a quick command draws %q (exit status %d)", drawn, code)
	}
	hole, _ := startHole(t)
	drawn, _, _ = u.onTerminal("pull", hole+"/team/cargo:1.0.0", "--timeout", "1s")
	if !strings.Contains(drawn, "resolving") || !strings.HasSuffix(drawn, "portolan: gave up after 1s (--timeout): fetch "+hole+"/team/cargo:1.0.0\r\n") {
		t.Errorf("a command that waits draws %q", drawn)
	}
}
