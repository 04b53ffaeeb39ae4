package cache

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
)

// eachFile calls fn with what is in a directory, in no order, a piece of the
// list at a time: there may be any number. A directory that is missing is
// empty. An error of fn ends it and is returned.
func eachFile(ctx context.Context, dir string, fn func(fs.DirEntry) error) error {
	const piece = 512
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(piece)
		for _, entry := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(entry); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
