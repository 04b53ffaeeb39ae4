//go:build unix

package cache_test

import "syscall"

func faultsPipe(path string) error { return syscall.Mkfifo(path, 0o666) }
