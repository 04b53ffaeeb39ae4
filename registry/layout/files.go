package layout

import (
	"fmt"
	"os"
)

// rootFiles are the files of a directory. os.Root follows no link out of it.
type rootFiles struct{ root *os.Root }

func (r rootFiles) open(name string) (part, error) {
	info, err := r.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its other end
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	f, err := r.root.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return nil, err
	}
	return &rootFile{f, info.Size()}, nil
}

type rootFile struct {
	*os.File
	size int64
}

func (f *rootFile) Size() int64 { return f.size }
