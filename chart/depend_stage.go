package chart

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
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
	err := s.root.RemoveAll(s.dir)
	if s.created {
		_ = s.root.Remove(chartsDir) // fails if there is something in it, as it should
	}
	return err
}

// add stages the content of p as the file name in charts/.
func (s *staging) add(ctx context.Context, p *part, name string, content io.Reader) error {
	return s.fill(p, name, func(w io.Writer) error {
		_, err := io.Copy(w, &contextReader{ctx, content})
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

// stageLock stages Chart.lock.
func (d *depending) stageLock(lock *Lock) error {
	data, err := lock.Marshal()
	if err != nil {
		return err
	}
	d.stage.lock, err = d.stage.writeBytes(data)
	return err
}

// stagePins stages DigestsFile, unless that is there as it should be.
func (d *depending) stagePins(lock *Lock) error {
	data, err := lock.marshalPins()
	if err != nil {
		return err
	}
	if old, err := readRooted(d.root, DigestsFile, maxMetadata); err == nil && string(old) == string(data) {
		return nil
	}
	d.stage.pins, err = d.stage.writeBytes(data)
	return err
}

// swapIn makes what was staged the state of the chart.
func (d *depending) swapIn(parts []*part) error {
	s := swap{tree: d.root, staging: d.stage.dir}
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
