package cache

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// useInterval is the least time between two notes that content is in use:
// collection asks for days, and a write for each read would wear the disk.
const useInterval = time.Hour

// used notes in the time of the file, its last modification, that its content
// is in use. One that lies in the future is mended. Whoever may not write the
// file leaves no note. False: the file has no name any more. A collection was
// about to remove it, and has not seen that it is in use.
func used(path string, info fs.FileInfo) bool {
	now := time.Now()
	if within(info.ModTime(), now, useInterval) {
		return true
	}
	err := os.Chtimes(path, time.Time{}, now) // its loss is that of a hit, some day
	return !errors.Is(err, fs.ErrNotExist)
}
