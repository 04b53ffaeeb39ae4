package layout

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/registry"
)

// maxTarBlobs bounds the blobs of a tar file, of which each is remembered in
// some 200 bytes: 20,000 × 200 bytes = 4 MiB. A whole repository of a thousand
// charts with signatures has a third of it.
const maxTarBlobs = 20_000

// Tar is a layout in a tar file, for reading: what is in it is found once, and
// read where it lies. It is safe for concurrent use until Close.
type Tar struct {
	content
	file *os.File
	info fs.FileInfo
	tarFiles
}

var (
	_ registry.Source         = (*Tar)(nil)
	_ registry.TagLister      = (*Tar)(nil)
	_ registry.ReferrerLister = (*Tar)(nil)
)

// OpenTar opens the layout in a tar file, which must not be compressed. Its
// headers are read, not its content. Entries that are not part of a layout are
// left out, such as those by which docker load reads the same file. The error
// matches ErrNotLayout when there is none in it. The caller closes it.
func OpenTar(path string) (*Tar, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	t := &Tar{file: f}
	t.content = content{path, t}
	if t.info, err = f.Stat(); err == nil && !t.info.Mode().IsRegular() {
		err = fmt.Errorf("%w: no regular file", ErrNotLayout)
	}
	if err == nil {
		t.tarFiles, err = scan(f, t.info.Size())
	}
	if err == nil {
		err = t.check()
	}
	if err != nil {
		f.Close()
		return nil, t.fail("open", err)
	}
	return t, nil
}

// Close closes the file. Readers that are open fail from here on.
func (t *Tar) Close() error { return t.file.Close() }

// tarFiles are the parts of a layout in a tar file, by their paths.
type tarFiles map[string]*tarPart

func (f tarFiles) open(name string) (part, error) {
	if p := f[name]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

// tarPart is where a part lies. It is shared: closing it does nothing.
type tarPart struct{ *io.SectionReader }

func (tarPart) Close() error { return nil }

// scan finds the parts. Whatever the headers say, nothing outside of the file
// is read, and a blob is what its digest says or nothing.
func scan(r io.ReaderAt, size int64) (tarFiles, error) {
	whole := io.NewSectionReader(r, 0, size)
	found := tarFiles{}
	archive := tar.NewReader(whole)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return nil, notTar(r, size, err)
		}
		name, ok := partName(header.Name)
		if !ok || header.Typeflag != tar.TypeReg {
			continue
		}
		at, err := whole.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		if header.Size > size-at {
			return nil, fmt.Errorf("%w: the tar file ends within %s", ErrNotLayout, name)
		}
		// Of two files of one name a reader takes the first and another the
		// last. Of blobs that is no matter: at most one is right.
		if found[name] != nil && !strings.HasPrefix(name, ocispec.ImageBlobsDir) {
			return nil, fmt.Errorf("%w: the tar file has %s twice", ErrNotLayout, name)
		}
		if len(found) >= maxTarBlobs {
			return nil, fmt.Errorf("%w of %d blobs in a tar file", limit.ErrExceeded, maxTarBlobs)
		}
		found[name] = &tarPart{io.NewSectionReader(r, at, header.Size)}
	}
}

// notTar says why a file is no tar file.
func notTar(r io.ReaderAt, size int64, err error) error {
	start := make([]byte, min(size, 4))
	if _, rerr := r.ReadAt(start, 0); rerr != nil && !errors.Is(rerr, io.EOF) {
		return rerr
	}
	for magic, kind := range map[string]string{"\x1f\x8b": "gzip", "\x28\xb5\x2f\xfd": "zstd", "BZh": "bzip2", "\xfd7zX": "xz"} {
		if strings.HasPrefix(string(start), magic) {
			return fmt.Errorf("%w: the tar file is compressed with %s; decompress it first", ErrNotLayout, kind)
		}
	}
	return fmt.Errorf("%w: no tar file: %v", ErrNotLayout, err)
}

// partName is the path of a layout's part as the layout spells it, for the name
// of an entry; false for all else.
func partName(entry string) (name string, ok bool) {
	name = path.Clean(entry)
	switch name {
	case ocispec.ImageLayoutFile, ocispec.ImageIndexFile:
		return name, true
	}
	algorithm, encoded := path.Split(strings.TrimPrefix(name, ocispec.ImageBlobsDir+"/"))
	d := digest.Digest(strings.TrimSuffix(algorithm, "/") + ":" + encoded)
	return name, d.Validate() == nil && name == blobPath(d)
}
