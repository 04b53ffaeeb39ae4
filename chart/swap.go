package chart

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
)

// renamer is what a swap does to a directory; *os.Root does it.
type renamer interface {
	Link(oldname, newname string) error
	Rename(oldname, newname string) error
	Remove(name string) error
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
				err = fmt.Errorf("%w; taking it back failed as well: %w", err, uerr)
			}
		}
		return err
	}
	return nil
}

func (s *swap) one(st step, aside string) error {
	if st.to == "" {
		return s.move(st.from, aside)
	}
	back, err := s.keep(st.to, aside)
	if err != nil {
		return err
	}
	if err := s.tree.Rename(st.from, st.to); err != nil {
		return err
	}
	if back != nil {
		s.undo = append(s.undo, back)
	}
	return nil
}

// keep gives what stands at name a second name, or another where the file system
// has no hard links, and returns what undoes its replacement, unless that is
// noted already.
func (s *swap) keep(name, aside string) (back func() error, err error) {
	if s.tree.Link(name, aside) == nil {
		return func() error { return s.tree.Rename(aside, name) }, nil
	}
	err = s.move(name, aside)
	if errors.Is(err, fs.ErrNotExist) {
		return func() error { return s.tree.Remove(name) }, nil
	}
	return nil, err
}

func (s *swap) move(from, to string) error {
	if err := s.tree.Rename(from, to); err != nil {
		return err
	}
	s.undo = append(s.undo, func() error { return s.tree.Rename(to, from) })
	return nil
}
