package chart

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
)

// renamer is what a swap does to a directory; rootTree does it.
type renamer interface {
	Link(oldname, newname string) error
	Copy(oldname, newname string) error
	Rename(oldname, newname string) error
	Remove(name string) error
}

type rootTree struct{ *os.Root }

// Copy stands for Link where the file system has no hard links.
func (r rootTree) Copy(oldname, newname string) error {
	from, err := r.Open(oldname)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := r.OpenFile(newname, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// swap changes several files of a directory, all or none. Each step is one
// rename. What stood there is kept in the staging directory until all is done,
// so that a step which fails lets all before it be undone. A killed process
// undoes nothing: a file that is replaced is the old or the new one at each
// moment, and what goes away goes last, so that nothing is missing then.
type swap struct {
	tree    renamer
	staging string
	steps   []step
	undo    []func() error
	stuck   bool // a failure could not be undone
}

// step puts the file at from in the place of to; with no to it takes it away.
type step struct{ from, to string }

func (s *swap) run() error {
	for i, st := range s.steps {
		err := s.one(st, path.Join(s.staging, "old-"+strconv.Itoa(i)))
		if err == nil {
			continue
		}
		for j := len(s.undo) - 1; j >= 0; j-- {
			if uerr := s.undo[j](); uerr != nil {
				s.stuck = true
				err = fmt.Errorf("%w; taking it back failed as well: %w", err, uerr)
			}
		}
		if s.stuck {
			err = fmt.Errorf("%w; what stood there is in %s until the next run", err, s.staging)
		}
		return err
	}
	return nil
}

func (s *swap) one(st step, aside string) error {
	if st.to == "" {
		if err := s.tree.Rename(st.from, aside); err != nil {
			return err
		}
		s.undo = append(s.undo, func() error { return s.tree.Rename(aside, st.from) })
		return nil
	}
	back, err := s.keep(st.to, aside)
	if err != nil {
		return err
	}
	if err := s.tree.Rename(st.from, st.to); err != nil {
		return err
	}
	s.undo = append(s.undo, back)
	return nil
}

// keep gives what stands at name a second name, and returns what undoes its
// replacement.
func (s *swap) keep(name, aside string) (back func() error, err error) {
	if s.tree.Link(name, aside) != nil {
		err = s.tree.Copy(name, aside)
	}
	switch {
	case err == nil:
		return func() error { return s.tree.Rename(aside, name) }, nil
	case errors.Is(err, fs.ErrNotExist):
		return func() error { return s.tree.Remove(name) }, nil
	}
	return nil, err
}
