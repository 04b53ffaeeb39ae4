package chart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/atomicfile"
	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

// toArchive writes the chart's archive to a file, and its provenance beside.
func (x *copier) toArchive(ctx context.Context, root *copyRoot, path string) (*Copied, error) {
	source := root.how.in(x.from).WithDigest(root.desc.Digest)
	x.options.ChartOnly = true
	layers, err := x.chart(ctx, root)
	if err != nil {
		return nil, err
	}
	source.Digest = root.desc.Digest // of the chart, where an index led to it
	by, err := x.verify(ctx, root, source)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(path, ".tgz") {
		m, err := x.metadata(ctx, root)
		if err != nil {
			return nil, err
		}
		path = filepath.Join(path, m.Name+"-"+m.Version+".tgz")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, err
	}
	if layers.Provenance != nil { // first: an archive that is there is a copy that is done
		if _, err := x.file(ctx, path+".prov", *layers.Provenance); err != nil {
			return nil, err
		}
	}
	exists, err := x.file(ctx, path, layers.Chart)
	if err != nil {
		return nil, err
	}
	return &Copied{Source: source, Manifest: root.desc, Path: path, Exists: exists, VerifiedBy: by, Sent: x.sent.Load(), Existed: x.existed.Load()}, nil
}

// file writes content to a file that appears whole or not at all, unless the
// file holds it already.
func (x *copier) file(ctx context.Context, path string, desc ocispec.Descriptor) (exists bool, err error) {
	same, err := holds(path, desc)
	if err != nil {
		return false, err
	}
	if same {
		x.existed.Add(desc.Size)
		return true, nil
	}
	rc, err := x.fetch(ctx, desc)
	if err != nil {
		return false, err
	}
	defer rc.Close()
	if !x.options.Force {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("copy to %s: %w with other content; force it to replace that", shown(path), registry.ErrExists)
		}
	}
	f, err := atomicfile.Create(path, 0o666)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var content io.Reader = rc
	if x.progress != nil {
		content = watched{rc, desc, x.progress}
	}
	if _, err := io.Copy(f, limit.WithContext(ctx, content)); err != nil {
		return false, fmt.Errorf("copy to %s: %w", shown(path), err)
	}
	x.sent.Add(desc.Size)
	return false, f.Commit()
}

// holds tells whether a file is there with this content.
func holds(path string, desc ocispec.Descriptor) (bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || !info.Mode().IsRegular() || info.Size() != desc.Size {
		return false, err
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	v, err := verify.NewReader(f, desc)
	if err == nil {
		_, err = io.Copy(io.Discard, v)
	}
	if errors.Is(err, registry.ErrDigestMismatch) {
		return false, nil
	}
	return err == nil, err
}
