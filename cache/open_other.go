//go:build !unix

package cache

import "io/fs"

// openNonblock: pipes are not among files here.
const openNonblock = 0

// trustedOwner: to make links is a right of few here.
func trustedOwner(fs.FileInfo) bool { return true }

// alterable is no question of modes here: who may write to the directory is
// said there.
func alterable(fs.FileInfo) bool { return false }
