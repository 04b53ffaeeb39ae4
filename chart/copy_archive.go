package chart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/atomicfile"
	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/verify"
	"github.com/portolan-oci/portolan/registry"
)

// toArchive writes the chart's archive to a file, and its provenance beside.
func (x *copier) toArchive(ctx context.Context, root *copyRoot, to string) (*Copied, error) {
	source := root.how.in(x.from).WithDigest(root.desc.Digest)
	x.options.ChartOnly = true
	layers, err := x.chart(ctx, root)
	if err != nil {
		return nil, err
	}
	source.Digest = root.desc.Digest // of the chart, where an index led to it
	if err := x.client.checkSize(layers.Chart); err != nil {
		return nil, fmt.Errorf("copy %s: %w", spell(source), err)
	}
	var called string
	if !strings.HasSuffix(to, ".tgz") {
		var m *Metadata
		if m, err = x.archiveName(ctx, root, source); err != nil {
			return nil, err
		}
		called = registry.TagOfVersion(m.Version)
		to = filepath.Join(to, m.Name+"-"+m.Version+".tgz")
	}
	by, err := x.verify(ctx, root, source, called)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return nil, err
	}
	if layers.Provenance != nil { // first: an archive that is there is a copy that is done
		if _, err := x.file(ctx, to+".prov", *layers.Provenance); err != nil {
			return nil, err
		}
	}
	exists, err := x.file(ctx, to, layers.Chart)
	if err != nil {
		return nil, err
	}
	return &Copied{Source: source, Manifest: root.desc, Path: to, Exists: exists, VerifiedBy: by, Sent: x.sent.Load(), Existed: x.existed.Load()}, nil
}

// archiveName tells what the file is called: as for Pulled.Save, the registry's
// words for it where it has any, so that a chart cannot choose which file it is
// taken for. The config speaks for the rest.
func (x *copier) archiveName(ctx context.Context, root *copyRoot, source registry.Reference) (*Metadata, error) {
	m, err := x.metadata(ctx, root)
	if err != nil {
		return nil, err
	}
	named := &Metadata{APIVersion: APIVersionV2, Name: m.Name, Version: m.Version}
	if source.Host != "" {
		named.Name = path.Base(source.Repository)
	}
	if name := x.options.Selector.Chart; name != "" {
		named.Name = name
	}
	if v, ok := versionOf(source.Tag); ok && !v.parsed.IsShort() {
		named.Version = v.Version
	}
	return named, named.Validate()
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
	if _, err := io.Copy(f, limit.WithContext(ctx, rc)); err != nil {
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
