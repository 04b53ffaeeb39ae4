package chart

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/portolan-oci/portolan/internal/limit"
)

// chartsDir is where a chart has those that it depends on.
const chartsDir = "charts"

// stagingPrefix begins the names of staging directories. They lie in charts/,
// where neither Helm nor Package takes in what begins with a dot, so that one
// that a killed run left behind gets into no package.
const stagingPrefix = ".portolan-"

// staging is a directory for what is to come into charts/ and for what has to go
// from there, on the same file system.
type staging struct {
	root    *os.Root
	dir     string // from the chart's directory
	created bool   // charts/ did not exist before
	keep    bool   // it has what could not be put back
	count   atomic.Int64
	lock    string // staged lock files; empty: they stay as they are
	pins    string
}

// newStaging makes one, and removes those of runs that were killed: whoever
// holds the directory's lock has the only one.
func newStaging(root *os.Root) (*staging, error) {
	s := &staging{root: root}
	if _, err := root.Stat(chartsDir); errors.Is(err, fs.ErrNotExist) {
		s.created = true
		if err := root.Mkdir(chartsDir, 0o755); err != nil {
			return nil, err
		}
	}
	old, err := readRootDir(root, chartsDir)
	if err != nil {
		return nil, err
	}
	for _, e := range old {
		if strings.HasPrefix(e.Name(), stagingPrefix) {
			if err := root.RemoveAll(path.Join(chartsDir, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	s.dir = path.Join(chartsDir, stagingPrefix+strings.ToLower(rand.Text()[:8]))
	if err := root.Mkdir(s.dir, 0o755); err != nil {
		return nil, errors.Join(err, s.discard())
	}
	return s, nil
}

// discard removes all that was staged and not taken. Its error is one to report
// only if there is no other: what is left behind is ignored, and the next run
// removes it.
func (s *staging) discard() error {
	if s.keep {
		return nil
	}
	err := s.root.RemoveAll(s.dir)
	if s.created {
		_ = s.root.Remove(chartsDir) // fails if there is something in it, as it should
	}
	return err
}

// add stages the content of p as the file name in charts/.
func (s *staging) add(ctx context.Context, p *part, name string, content io.Reader) error {
	return s.fill(p, name, func(w io.Writer) error {
		_, err := io.Copy(w, limit.WithContext(ctx, content))
		return err
	})
}

func (s *staging) fill(p *part, name string, write func(io.Writer) error) error {
	hash := sha256.New()
	staged, err := s.write(false, func(w io.Writer) error { return write(io.MultiWriter(w, hash)) })
	if err != nil {
		return err
	}
	p.file, p.staged, p.digest = name, staged, hex.EncodeToString(hash.Sum(nil))
	return nil
}

// write makes a file with mode 0644 less the umask, and returns its path from
// the chart's directory. Archives can be had again; lock files shall outlive a
// power cut.
func (s *staging) write(durable bool, content func(io.Writer) error) (string, error) {
	name := path.Join(s.dir, strconv.FormatInt(s.count.Add(1), 10))
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", err
	}
	if err = content(f); err == nil && durable {
		err = f.Sync()
	}
	return name, errors.Join(err, f.Close())
}

func (s *staging) writeBytes(data []byte) (string, error) {
	return s.write(true, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
