package chart

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// swapIn makes what was staged the state of the chart.
func (d *depending) swapIn(parts []*part) error {
	s := swap{tree: rootTree{d.root}, staging: d.stage.dir}
	local := map[string]bool{}
	files := map[string]string{}
	for i, p := range parts {
		name := d.declared[i].Name
		if p.file == "" {
			local[name] = true
			continue
		}
		if other, taken := files[p.file]; taken && other != p.digest {
			return &ArchiveError{Path: d.dir, Entry: chartsDir + "/" + p.file, Err: ErrInvalidArchive,
				Problem: "would be two different charts: two dependencies have one name and one version"}
		} else if !taken {
			s.steps = append(s.steps, step{from: p.staged, to: path.Join(chartsDir, p.file)})
		}
		files[p.file] = p.digest
	}
	var err error
	if s.steps, err = d.withoutSame(s.steps, files); err != nil {
		return err
	}
	// Chart.lock is last: until then, all that read it find the old state, and
	// its companion, which is of another lock then, pins nothing.
	for _, l := range []step{{d.stage.pins, DigestsFile}, {d.stage.lock, d.lockFile()}} {
		if l.from == "" {
			continue
		}
		if info, err := d.root.Lstat(l.to); err == nil && !info.Mode().IsRegular() {
			return &ArchiveError{Path: d.dir, Entry: l.to, Problem: "is no regular file, and would be replaced by one", Err: ErrUnsafeArchive}
		}
		s.steps = append(s.steps, l)
	}
	outdated, err := d.outdated(files, local)
	if err != nil {
		return err
	}
	for _, name := range outdated {
		s.steps = append(s.steps, step{from: path.Join(chartsDir, name)})
	}
	if err := s.run(); err != nil {
		d.stage.keep = s.stuck
		return fmt.Errorf("%s: %w", shown(d.dir), err)
	}
	d.stage.created = false
	return nil
}

// withoutSame leaves files alone that have the content that they shall have.
func (d *depending) withoutSame(steps []step, files map[string]string) ([]step, error) {
	var changed []step
	for _, st := range steps {
		hash := sha256.New()
		info, err := d.root.Lstat(st.to)
		if err == nil && info.IsDir() {
			return nil, &ArchiveError{Path: d.dir, Entry: st.to, Problem: "is a directory where an archive is to stand", Err: ErrInvalidArchive}
		}
		if err == nil && info.Mode().IsRegular() {
			var f *os.File
			if f, err = d.root.Open(st.to); err == nil {
				_, err = io.Copy(hash, f)
				f.Close()
			}
			if err == nil && hex.EncodeToString(hash.Sum(nil)) == files[path.Base(st.to)] {
				continue
			}
		}
		changed = append(changed, st)
	}
	return changed, nil
}

// outdated lists what Helm deletes from charts/ (helm/helm pkg/downloader): the
// charts, packaged, that are not among the files of now and whose name is not
// that of a dependency which stands there without a repository.
func (d *depending) outdated(files map[string]string, local map[string]bool) ([]string, error) {
	entries, err := readRootDir(d.root, chartsDir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if _, now := files[e.Name()]; now || e.IsDir() {
			continue
		}
		m, err := archiveIn(d.root, path.Join(chartsDir, e.Name()), d.client.archives.Limits)
		if err == nil && !local[m.Name] {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// archiveIn reads a packaged chart beneath root, as tolerant as Helm.
func archiveIn(root *os.Root, name string, limits Limits) (*Metadata, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &ArchiveError{Path: name, Problem: "is no regular file", Err: ErrInvalidArchive}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	a, err := newArchive(name, f, info.Size(), &ArchiveOptions{Limits: limits, Lenient: true})
	if err != nil {
		return nil, err
	}
	defer a.Close()
	return a.Metadata()
}

// readRootDir lists a directory beneath root, sorted by name.
func readRootDir(root *os.Root, name string) ([]fs.DirEntry, error) {
	return fs.ReadDir(root.FS(), name)
}
