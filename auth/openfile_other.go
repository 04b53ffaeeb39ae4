//go:build !unix

package auth

import "os"

const openNonblock = 0

func lockFlags() int { return os.O_CREATE | os.O_RDONLY }
