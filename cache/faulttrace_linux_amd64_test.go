package cache_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// faultsCalls are the calls that a cache makes, with where their path or file
// stands, and how each may fail.
var faultsCalls = map[uint64]struct {
	name   string
	path   int // argument, from 1; 0: the first is a file descriptor
	errors []syscall.Errno
}{
	syscall.SYS_OPENAT:     {"openat", 2, []syscall.Errno{syscall.EACCES, syscall.EMFILE, syscall.EIO, syscall.ENOSPC, syscall.EROFS}},
	syscall.SYS_NEWFSTATAT: {"fstatat", 2, []syscall.Errno{syscall.EACCES, syscall.EIO, syscall.ENOENT}},
	syscall.SYS_MKDIRAT:    {"mkdirat", 2, []syscall.Errno{syscall.ENOSPC, syscall.EROFS, syscall.EACCES}},
	syscall.SYS_UNLINKAT:   {"unlinkat", 2, []syscall.Errno{syscall.EROFS, syscall.EACCES, syscall.EIO}},
	syscall.SYS_RENAMEAT:   {"renameat", 2, []syscall.Errno{syscall.ENOSPC, syscall.EACCES, syscall.EXDEV, syscall.EIO, syscall.ENOENT}},
	syscall.SYS_UTIMENSAT:  {"utimensat", 2, []syscall.Errno{syscall.EPERM, syscall.EROFS}},
	syscall.SYS_WRITE:      {"write", 0, []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EDQUOT, syscall.EFBIG}},
	syscall.SYS_READ:       {"read", 0, []syscall.Errno{syscall.EIO}},
	syscall.SYS_PREAD64:    {"pread", 0, []syscall.Errno{syscall.EIO, syscall.ESTALE}},
	syscall.SYS_FSTAT:      {"fstat", 0, []syscall.Errno{syscall.EIO, syscall.ESTALE}},
	syscall.SYS_GETDENTS64: {"getdents", 0, []syscall.Errno{syscall.EIO}},
	syscall.SYS_FSYNC:      {"fsync", 0, []syscall.Errno{syscall.EIO}},
	syscall.SYS_FLOCK:      {"flock", 0, []syscall.Errno{syscall.ENOLCK, syscall.ENOSYS, syscall.EIO}},
	syscall.SYS_CLOSE:      {"close", 0, []syscall.Errno{syscall.EIO, syscall.ENOSPC}},
}

// changes are the calls before which a kill leaves another directory than
// before the last.
func changes(number uint64) bool {
	return slices.Contains([]string{"openat", "mkdirat", "unlinkat", "renameat", "write"}, faultsCalls[number].name)
}

// faultsCall is a call to which something was done.
type faultsCall struct {
	number uint64
	where  string
}

func (c faultsCall) String() string { return faultsCalls[c.number].name + " " + c.where }

// traced runs the child on dir and calls at with each of its calls there, n
// counting them: an error is what the call then fails with, and SIGKILL kills the
// child before it. It returns what the child said and whether it succeeded.
func traced(t *testing.T, dir string, at func(n int, call faultsCall) error) (output string, ok bool) {
	t.Helper()
	runtime.LockOSThread() // the one that traces
	defer runtime.UnlockOSThread()
	out, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFaultsChild$")
	cmd.Env = append(os.Environ(), faultsChildEnv+"="+dir)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Skipf("NOT TRIED: ptrace is not allowed: %v", err)
	}
	pid := cmd.Process.Pid
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, syscall.WALL, nil); err != nil || !status.Stopped() {
		t.Fatalf("the child has not stopped: %v", err)
	}
	const exitKill = 0x100000 // PTRACE_O_EXITKILL
	if err := syscall.PtraceSetOptions(pid, syscall.PTRACE_O_TRACESYSGOOD|syscall.PTRACE_O_TRACECLONE|exitKill); err != nil {
		t.Fatal(err)
	}
	tr := tracer{pid: pid, dir: dir, at: at, inside: map[int]*syscall.Errno{}}
	for tid := pid; ; {
		if err := syscall.PtraceSyscall(tid, tr.deliver); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
		for {
			tid, err = syscall.Wait4(-pid, &status, syscall.WALL, nil)
			if err == nil && !(status.Exited() || status.Signaled()) || err != nil && err != syscall.EINTR {
				break
			}
			if err == nil && tid == pid {
				said, err := os.ReadFile(out.Name())
				if err != nil {
					t.Fatal(err)
				}
				return string(said), status.Exited() && status.ExitStatus() == 0
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		tr.stopped(tid, status)
	}
}

type tracer struct {
	pid     int
	dir     string
	at      func(n int, call faultsCall) error
	n       int
	inside  map[int]*syscall.Errno // threads in a call, and what it shall fail with
	deliver int                    // the signal that the thread that stopped is given
}

func (tr *tracer) stopped(tid int, status syscall.WaitStatus) {
	tr.deliver = 0
	switch sig := status.StopSignal(); {
	case sig == syscall.SIGTRAP|0x80:
		tr.call(tid)
	case sig != syscall.SIGTRAP && sig != syscall.SIGSTOP: // a clone, or a new thread
		tr.deliver = int(sig)
	}
}

// call is the begin or the end of a call.
func (tr *tracer) call(tid int) {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
		return // killed meanwhile
	}
	if fails, ok := tr.inside[tid]; ok {
		delete(tr.inside, tid)
		if fails != nil {
			regs.Rax = uint64(-int64(*fails))
			syscall.PtraceSetRegs(tid, &regs)
		}
		return
	}
	tr.inside[tid] = nil
	where, ok := tr.where(tid, &regs)
	if !ok {
		return
	}
	tr.n++
	err := tr.at(tr.n, faultsCall{regs.Orig_rax, where})
	if err == nil {
		return
	}
	if errors.Is(err, errKill) {
		syscall.Kill(tr.pid, syscall.SIGKILL)
		return
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		tr.inside[tid] = &errno
		regs.Orig_rax = ^uint64(0) // no call
		syscall.PtraceSetRegs(tid, &regs)
	}
}

var errKill = errors.New("kill it")

// where tells what in the cache a call is about.
func (tr *tracer) where(tid int, regs *syscall.PtraceRegs) (string, bool) {
	call, ok := faultsCalls[regs.Orig_rax]
	if !ok {
		return "", false
	}
	var path string
	if call.path == 0 {
		path, _ = os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", tr.pid, regs.Rdi))
	} else {
		text := make([]byte, 512)
		n, _ := syscall.PtracePeekData(tid, uintptr(regs.Rsi), text)
		text, _, _ = bytes.Cut(text[:n], []byte{0})
		path = string(text)
	}
	if path != tr.dir && !strings.HasPrefix(path, tr.dir+"/") {
		return "", false
	}
	return kindOf(tr.dir, path), true
}
