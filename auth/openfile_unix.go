//go:build unix

package auth

import "syscall"

const openNonblock = syscall.O_NONBLOCK
