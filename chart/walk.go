package chart

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// walk lists what is below dir; above are the directories that lead there, and
// linked tells that a link is among them.
func (d *directory) walk(ctx context.Context, dir string, above []fs.FileInfo, linked bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if strings.Count(dir, "/") >= d.limits.Depth {
		return d.fault(dir, fmt.Sprintf("lies deeper than %d directories", d.limits.Depth), ErrTooLarge)
	}
	info, children, err := d.readDir(dir)
	if err != nil {
		return err
	}
	for _, a := range above {
		if os.SameFile(a, info) {
			return d.fault(dir, "is a symbolic link to a directory that it is in", ErrUnsafeArchive)
		}
	}
	above = append(slices.Clip(above), info)
	for _, c := range children {
		name := path.Join(dir, c.Name())
		link := c.Type()&fs.ModeSymlink != 0
		if link || linked || c.IsDir() {
			if err := d.visit(d.fault, name); err != nil {
				return err
			}
		}
		info, err := d.stat(name, c)
		if err != nil {
			// A link that leads nowhere may still be left out.
			if link && (d.rules.ignore(name, false) || d.rules.ignore(name, true)) {
				continue
			}
			return err
		}
		switch {
		case d.rules.ignore(name, info.IsDir()):
		case info.IsDir():
			err = d.walk(ctx, name, above, linked || link)
		case info.Mode().IsRegular():
			err = d.add(name, info.Size())
		default:
			err = d.fault(name, "is neither a file nor a directory", ErrUnsafeArchive)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *directory) readDir(dir string) (fs.FileInfo, []fs.DirEntry, error) {
	f, err := d.root.Open(dir)
	if err != nil {
		return nil, nil, d.ioFault(dir, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, d.ioFault(dir, err)
	}
	children, err := f.ReadDir(-1)
	if err != nil {
		return nil, nil, d.ioFault(dir, err)
	}
	// Sorted, so that of several faults always the same one is reported.
	slices.SortFunc(children, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return info, children, nil
}

// stat follows links as long as they stay inside the chart.
func (d *directory) stat(name string, c fs.DirEntry) (fs.FileInfo, error) {
	info, err := d.root.Stat(name)
	if err == nil || c.Type()&fs.ModeSymlink == 0 {
		return info, d.ioFault(name, err)
	}
	target, lerr := d.root.Readlink(name)
	if lerr != nil {
		return nil, d.ioFault(name, lerr)
	}
	problem := "is a symbolic link to " + quoted(target) + ", "
	switch {
	case errors.Is(err, fs.ErrNotExist):
		problem += "which is not there"
	case errors.Is(err, syscall.ELOOP):
		problem += "which leads back to it"
	case errors.Is(err, fs.ErrPermission):
		return nil, d.ioFault(name, err)
	default:
		problem += "outside the chart; replace it by a copy or list it in .helmignore"
	}
	return nil, d.fault(name, problem, ErrUnsafeArchive)
}
