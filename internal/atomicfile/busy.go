package atomicfile

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"time"
)

// patience is for how long a file that somebody has open is tried again. It is
// what Go's own commands take on Windows (cmd/internal/robustio): a reader or a
// virus scanner is done long before.
const patience = 2 * time.Second

// Rename is [os.Rename], tried again for up to two seconds where the system
// refuses it because somebody has one of the files open, as Windows does.
// Elsewhere nothing is tried twice, and the error is that of os.Rename.
func Rename(from, to string) error {
	return retry(patience, func() (error, bool) {
		err := os.Rename(from, to)
		return err, err != nil && busy(err) && isFile(from) && !isDir(to)
	})
}

// Remove is [os.Remove] of a file, tried again as Rename does. A file that is
// missing is removed: there is no error. Collectors, which have more to do than
// to wait for one file, use os.Remove.
func Remove(path string) error {
	err := retry(patience, func() (error, bool) {
		err := os.Remove(path)
		return err, err != nil && busy(err) && isFile(path)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// retry runs do until it succeeds, or its error is not worth another try, or
// most is over. The pauses grow and differ, so that two who are in each other's
// way come apart. The last error is returned.
func retry(most time.Duration, do func() (err error, again bool)) error {
	began, pause := time.Now(), time.Millisecond
	for {
		err, again := do()
		if !again || time.Since(began)+pause > most {
			return err
		}
		time.Sleep(pause)
		pause += rand.N(pause)
	}
}

// A link is as good as a file: it is the link that is moved or removed.
func isFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && !info.IsDir()
}

func isDir(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}
