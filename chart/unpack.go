package chart

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/registry"
)

// Unpack writes the chart into the directory dir, which must exist, under the
// chart's name, and returns the path of what it made: <dir>/<name>. Files have
// mode 0644 and directories 0755, less the umask; no owner, time, or permission
// to execute is taken from the archive. Content is verbatim, and archives in
// charts/ stay archives, as with "helm pull --untar".
//
// The chart is there whole or not at all: it is written into a hidden directory
// beside, the archive read to its end and checked as Metadata does, and only
// then the directory gets its name. On an error, a full disk or an end of ctx,
// dir is left as it was; a process that is killed may leave
// ".portolan-…" behind. Nothing is written through a link or outside of dir.
// Nothing is forced to the disk.
//
// What is there is never replaced: the error then matches registry.ErrExists.
// (An empty directory of that name is replaced if it is made while Unpack
// runs.) ErrInvalidMetadata is also a name that begins with a dot: a chart
// shall not become a hidden directory that other programs act on. Of an archive
// with two files of one name, which a lenient reader takes, none can be
// unpacked: ErrUnsafeArchive, and so it is on file systems that hold two names
// for one that this package tells apart, as by Unicode normalisation. Names
// that Windows reads in its own way, such as "a:b", are refused there. Other
// errors are those of Metadata and the file system's.
func (a *Archive) Unpack(ctx context.Context, dir string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	hidden, err := mkdirHidden(root)
	if err != nil {
		return "", unpackError(dir, err)
	}
	name, err := a.unpackInto(ctx, root, hidden, dir)
	if err != nil {
		return "", errors.Join(unpackError(dir, err), root.RemoveAll(hidden))
	}
	return filepath.Join(dir, name), nil
}

// mkdirHidden makes a directory that nobody else uses.
func mkdirHidden(root *os.Root) (string, error) {
	for {
		name := ".portolan-" + rand.Text()[:10]
		err := root.Mkdir(name, 0o755)
		if !errors.Is(err, fs.ErrExist) {
			return name, err
		}
	}
}

func (a *Archive) unpackInto(ctx context.Context, root *os.Root, hidden, dir string) (string, error) {
	m, made, err := a.extract(ctx, root, hidden)
	if err != nil {
		return "", err
	}
	// Who may write to dir could have put a link in its place.
	if is, err := root.Lstat(hidden); err != nil || !os.SameFile(made, is) {
		return "", &ArchiveError{Path: filepath.Join(dir, hidden), Problem: "was replaced while the chart was unpacked", Err: errors.Join(ErrUnsafeArchive, err)}
	}
	if err := checkUnpackedName(m.Name); err != nil {
		return "", atPath(a.path, err)
	}
	// Rename would replace a file, or an empty directory.
	_, err = root.Lstat(m.Name)
	if err == nil {
		return "", existsError(dir, m.Name)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := root.Rename(hidden, m.Name); err != nil {
		if _, lerr := root.Lstat(m.Name); lerr == nil { // another was faster
			return "", existsError(dir, m.Name)
		}
		return "", err
	}
	return m.Name, nil
}

// unpackError says what was done when the file system failed; its own errors
// name a file below dir.
func unpackError(dir string, err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	if errors.As(err, &pe) || errors.As(err, &le) {
		return fmt.Errorf("unpack into %s: %w", shown(dir), err)
	}
	return err
}

func existsError(dir, name string) error {
	return &ArchiveError{
		Path:    filepath.Join(dir, name),
		Problem: "is there already; remove it, or unpack elsewhere",
		Err:     registry.ErrExists,
	}
}

// checkUnpackedName wants more of a chart's name than Validate: it becomes a
// directory beside others.
func checkUnpackedName(name string) error {
	problem := ""
	if strings.HasPrefix(name, ".") {
		problem = "begins with a dot, and would be a hidden directory"
	} else if err := checkName(name, Limits{Depth: 1}); err != nil {
		problem = err.Error()
	} else {
		problem = platformProblem(name)
	}
	if problem == "" {
		return nil
	}
	return &MetadataError{Field: "name", Value: name, Problem: problem}
}

// extract writes all files below the directory hidden, and tells which
// directory that was.
func (a *Archive) extract(ctx context.Context, root *os.Root, hidden string) (*Metadata, fs.FileInfo, error) {
	in, err := root.OpenRoot(hidden)
	if err != nil {
		return nil, nil, err
	}
	defer in.Close() // before the rename: Windows moves no directory that is open
	made, err := in.Stat(".")
	if err != nil {
		return nil, nil, err
	}
	x := extractor{root: in, buf: make([]byte, ioBuffer)}
	var files metadataFiles
	err = a.scan(limit.WithContext(ctx, a.section()), func(e *Entry) error {
		data, err := files.take(a, e)
		if err != nil {
			return err
		}
		if data != nil {
			e.Reader = bytes.NewReader(data)
		}
		if problem := platformProblem(e.Name); problem != "" {
			return a.fault(e.Name, problem, ErrUnsafeArchive)
		}
		err = x.write(e)
		if errors.Is(err, fs.ErrExist) {
			return a.fault(e.Name, "is one file with another entry of the archive here", ErrUnsafeArchive)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	m, err := a.finish(files)
	return m, made, err
}

// extractor writes files below a directory that is its own.
type extractor struct {
	root *os.Root
	made string // the directory that was needed last; archives keep them together
	buf  []byte
}

func (x *extractor) write(e *Entry) error {
	if dir := path.Dir(e.Name); dir != "." && dir != x.made {
		if err := x.root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		x.made = dir
	}
	f, err := x.root.OpenFile(e.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	// Without the wrapper each file would allocate a buffer of its own.
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{e}, x.buf)
	if cerr := f.Close(); err == nil {
		err = cerr // a full disk may show only here
	}
	return err
}

// platformProblem tells what is wrong with a name for this system alone.
func platformProblem(name string) string {
	if runtime.GOOS == "windows" {
		return windowsProblem(name)
	}
	return ""
}

// windowsProblem tells why Windows would make something else of a name than a
// file of that name (Naming Files, Paths, and Namespaces): "a:b" is a stream of
// the file a, "a." and "a " are the file a. Its devices, such as NUL, are for
// os.Root to refuse.
func windowsProblem(name string) string {
	for element := range strings.SplitSeq(name, "/") {
		switch {
		case strings.ContainsAny(element, `<>:"|?*`):
			return fmt.Sprintf("has a character in %s that Windows reserves", quoted(element))
		case strings.HasSuffix(element, "."), strings.HasSuffix(element, " "):
			return fmt.Sprintf("has an element %s, of which Windows drops the end", quoted(element))
		}
	}
	return ""
}
