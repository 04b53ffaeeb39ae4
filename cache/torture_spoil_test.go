package cache_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// spoil does to one file of the cache what disks, users and other programs do.
// The bytes of a file are never changed in place, as nobody does who means no
// harm: whoever has it open has verified it.
func (w *tortureWorker) spoil(ctx context.Context) error {
	time.Sleep(time.Duration(w.lots.IntN(10)) * time.Millisecond)
	path, ok := w.anyFile()
	if !ok {
		return nil
	}
	// Others remove and replace files too: what does not work has had its turn.
	switch w.lots.IntN(16) {
	default:
		w.replace(path, func(data []byte) []byte {
			if len(data) > 0 {
				data[w.lots.IntN(len(data))] ^= 1 << w.lots.IntN(8)
			}
			return data
		})
	case 0, 1:
		w.replace(path, func(data []byte) []byte { return data[:w.lots.IntN(len(data)+1)] })
	case 2, 3:
		w.replace(path, func(data []byte) []byte { clear(data); return data })
	case 4:
		w.replace(path, func(data []byte) []byte { return append(data, "more"...) })
	case 5, 6:
		os.Remove(path)
	case 7:
		os.Remove(path)
		os.Mkdir(path, 0o700)
	case 8:
		os.Remove(path)
		os.Symlink("nowhere", path)
	case 9:
		os.Chtimes(path, time.Time{}, time.Now().Add(time.Duration(w.lots.IntN(2000)-1000)*time.Hour))
	case 10:
		os.RemoveAll(filepath.Dir(path))
	case 11:
		os.WriteFile(filepath.Join(filepath.Dir(path), "a stranger's"), []byte("notes"), 0o600)
	}
	return nil
}

// replace puts changed bytes under the name of a file.
func (w *tortureWorker) replace(path string, change func([]byte) []byte) {
	data, err := os.ReadFile(path)
	if err != nil {
		return
	}
	tmp := filepath.Join(w.Scratch, w.unique())
	if os.WriteFile(tmp, change(data), 0o600) == nil && os.Rename(tmp, path) != nil {
		os.Remove(tmp)
	}
}

// anyFile draws one of the cache's files, all alike.
func (w *tortureWorker) anyFile() (path string, ok bool) {
	n := 0
	filepath.WalkDir(w.Dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // gone meanwhile
		}
		if n++; w.lots.IntN(n) == 0 {
			path = p
		}
		return nil
	})
	return path, n > 0
}
