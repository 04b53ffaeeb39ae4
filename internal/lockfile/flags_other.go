//go:build !unix

package lockfile

import "os"

func fileFlags() int { return os.O_CREATE | os.O_RDONLY }
