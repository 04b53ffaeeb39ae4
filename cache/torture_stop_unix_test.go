//go:build unix

package cache_test

import "syscall"

// hang stops the process as it is, with its files open and its locks held, and
// tells whether it could.
func (p *tortureProcess) hang() bool { return p.cmd.Process.Signal(syscall.SIGSTOP) == nil }
