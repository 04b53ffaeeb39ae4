package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/portolan-oci/portolan/internal/atomicfile"
	"github.com/portolan-oci/portolan/internal/limit"
)

// A sealed file is one of the cache's own notes: the SHA-256 of what follows in
// hex, a newline, and JSON. A byte that flips on the disk, or a page that a
// power cut left empty, is found whatever it stood for: in a digest or a time
// it would else be another one.
const sealSize = sha256.Size*2 + 1

// checked is content of a sealed file that knows when it makes no sense.
type checked interface{ check() error }

var errSeal = errors.New("its checksum is another")

// readSealed reads a sealed file of at most most bytes into v. One that is
// missing, bad or cannot be read is false; a bad one is removed and logged.
func (s *Store) readSealed(path string, most int64, v checked) (info fs.FileInfo, ok bool) {
	info, err := s.loadSealed(path, most, v)
	if errors.Is(err, errBadFile) {
		s.log.Warn("bad file in the cache removed", "path", path, "error", err)
		s.removeSame(path, info)
	}
	return info, err == nil
}

// errBadFile is what a file is that cannot be what its name says.
var errBadFile = errors.New("not what its name says")

// loadSealed is readSealed without the consequences. The error matches
// fs.ErrNotExist or errBadFile, or is of a directory that cannot be read, which
// is logged. The info is there with errBadFile too.
func (s *Store) loadSealed(path string, most int64, v checked) (fs.FileInfo, error) {
	if s.dir == "" {
		return nil, fs.ErrNotExist
	}
	f, info, err := openRegular(path)
	if err == nil {
		defer f.Close()
		var data []byte
		data, err = limit.ReadAll(f, most+sealSize)
		switch {
		case err == nil:
			err = unseal(data, v)
		case !errors.Is(err, limit.ErrExceeded):
			s.trouble(cannotRead, err)
			return nil, err
		}
	} else if !errors.Is(err, errIrregular) {
		if !errors.Is(err, fs.ErrNotExist) {
			s.trouble(cannotRead, err)
		}
		return nil, err
	}
	if err != nil {
		return info, fmt.Errorf("%w: %w", errBadFile, err)
	}
	return info, nil
}

func unseal(data []byte, v checked) error {
	if len(data) < sealSize || data[sealSize-1] != '\n' {
		return errSeal
	}
	if sum := sha256.Sum256(data[sealSize:]); !bytes.Equal(data[:sealSize-1], hex.AppendEncode(nil, sum[:])) {
		return errSeal
	}
	if err := json.Unmarshal(data[sealSize:], v); err != nil {
		return err
	}
	return v.check()
}

func seal(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	return append(append(hex.AppendEncode(nil, sum[:]), '\n'), data...), nil
}

// writeSealed replaces a sealed file. Unless it is durable, a power cut may
// lose it, which is a miss.
func (s *Store) writeSealed(path string, v any, durable bool) error {
	data, err := seal(v)
	if err != nil {
		return err
	}
	return s.withParent(path, func() error {
		f, err := atomicfile.Create(path, 0o666)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Write(data); err != nil {
			return err
		}
		if durable {
			if err := f.Sync(); err != nil {
				return err
			}
		}
		return f.Commit()
	})
}

// removeSame removes the file that was found bad, and not the good one that
// somebody may have put there since.
func (s *Store) removeSame(path string, bad fs.FileInfo) {
	if now, err := os.Stat(path); err != nil || !os.SameFile(now, bad) {
		return
	}
	if err := clearPlace(path); err != nil {
		s.trouble(cannotRemove, err)
	}
}
