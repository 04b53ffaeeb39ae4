package auth

import (
	"errors"
	"os"
)

// openRegular opens a file to read, and anything else not: a look-up shall not
// wait on a pipe, nor on one that takes the file's place between the look and
// the opening.
func openRegular(path string) (*os.File, error) {
	errIrregular := errors.New("it is not a regular file")
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errIrregular
	}
	file, err := os.OpenFile(path, os.O_RDONLY|openNonblock, 0)
	if err != nil {
		return nil, err
	}
	if info, err = file.Stat(); err == nil && !info.Mode().IsRegular() {
		err = errIrregular
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}
