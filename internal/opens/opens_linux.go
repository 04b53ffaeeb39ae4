package opens

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"unsafe"
)

// Watcher watches the directories that were beneath a directory when it began,
// this one among them. It is not for concurrent use.
type Watcher struct {
	fd   int
	root string
	dirs map[int32]string
	buf  []byte
}

// Watch begins to watch. The caller closes the result. Each directory takes one
// of the watches that a user may have (fs.inotify.max_user_watches).
func Watch(root string) (*Watcher, error) {
	fd, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	w := &Watcher{fd: fd, root: root, dirs: map[int32]string{}, buf: make([]byte, 1<<20)}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		// Two openings of one file in a row would be reported as one: the
		// closing comes between them.
		wd, err := syscall.InotifyAddWatch(fd, path, syscall.IN_OPEN|syscall.IN_CLOSE)
		if err != nil {
			return err
		}
		w.dirs[int32(wd)] = path
		return nil
	})
	if err == nil {
		_, err = w.Opened() // what the walk has opened
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

var errMissed = errors.New("opens: too many to be told of at once")

// Opened returns what any process has opened since the last call, in that order
// and once for each time: paths relative to the root, with a slash at the end of
// a directory's.
func (w *Watcher) Opened() ([]string, error) {
	var all []string
	for {
		n, err := syscall.Read(w.fd, w.buf)
		switch {
		case errors.Is(err, syscall.EAGAIN):
			return all, nil
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return nil, err
		}
		for at := 0; at < n; {
			event := (*syscall.InotifyEvent)(unsafe.Pointer(&w.buf[at]))
			name := w.buf[at+syscall.SizeofInotifyEvent:][:event.Len]
			at += syscall.SizeofInotifyEvent + int(event.Len)
			if event.Mask&syscall.IN_Q_OVERFLOW != 0 {
				return nil, errMissed
			}
			// A directory beneath another is told of by both, by itself
			// without a name.
			if event.Mask&syscall.IN_OPEN == 0 || event.Len == 0 {
				continue
			}
			path, err := filepath.Rel(w.root, filepath.Join(w.dirs[event.Wd], string(bytes.TrimRight(name, "\x00"))))
			if err != nil {
				return nil, err
			}
			if event.Mask&syscall.IN_ISDIR != 0 {
				path += "/"
			}
			all = append(all, path)
		}
	}
}

// Close ends the watch.
func (w *Watcher) Close() error { return syscall.Close(w.fd) }
