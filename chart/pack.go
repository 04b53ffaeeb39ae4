package chart

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/tempfile"
)

// PackOptions change what is packed. The zero value, like nil, packs what is
// there.
type PackOptions struct {
	// PackageOptions hold for a directory. Of an archive, whose bytes stay as
	// they are, only Limits apply: another Version or AppVersion than its own
	// is an error.
	PackageOptions
	// Created becomes the annotation org.opencontainers.image.created, a time
	// as RFC 3339 writes it. Empty means none, so that the same archive has the
	// same manifest wherever and whenever it is packed. Helm sets the archive's
	// modification time in the local time zone. Chart.yaml may set it, and then
	// wins.
	Created string
	// Provenance is the path of a .prov file to carry along. Empty means: for
	// an archive the file <archive>.prov where there is one, as Helm does; for a
	// directory none. There a link, a directory or a pipe of that name is
	// ErrUnsafeArchive, and a file that does not have the archive's sha256, as
	// one that an earlier package has left, is ErrVerification. A path that is
	// given here may be a link, and its content is not looked at.
	Provenance string
	// ProvenanceBytes is the content of a .prov file that came from elsewhere;
	// nil is none.
	ProvenanceBytes []byte
	// Signer makes the provenance file anew, and one beside the archive is not
	// looked at. nil: nothing is signed. Of Provenance, ProvenanceBytes and
	// Signer, more than one is an error.
	Signer Signer
	// Lenient packs archives that only a lenient reader takes, see
	// ArchiveOptions.
	Lenient bool
}

// Pack makes what a registry keeps of a chart: the archive, its config, the
// manifest, and the provenance file where there is one. dirOrArchive is a
// chart directory, which is packaged into a temporary file, or a .tgz file.
// Nothing is sent. The archive is read to its end and checked; memory use does
// not grow with it.
//
// Manifest and config are byte for byte what "helm push" of the same archive
// writes, Created aside.
//
// Errors are those of Package, Open and Archive.Metadata, and the file
// system's; ErrTooLarge also where the manifest would exceed the 4 MiB that
// registries take, and those of the Signer. The caller closes the result.
func Pack(ctx context.Context, dirOrArchive string, opts *PackOptions) (*Packed, error) {
	o := PackOptions{}
	if opts != nil {
		o = *opts
	}
	info, err := os.Stat(dirOrArchive)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		a, err := packageTemp(ctx, dirOrArchive, &o.PackageOptions)
		if err != nil {
			return nil, err
		}
		o.Version, o.AppVersion = "", "" // they are in the archive now
		return PackArchive(ctx, a, &o)
	}
	a, err := Open(dirOrArchive, &ArchiveOptions{Limits: o.Limits, Lenient: o.Lenient})
	if err != nil {
		return nil, err
	}
	var found fs.FileInfo
	if beside := dirOrArchive + ".prov"; o.Provenance == "" && o.ProvenanceBytes == nil && o.Signer == nil {
		found, err = provenanceBeside(beside)
		switch {
		case err == nil:
			o.Provenance = beside
		case !errors.Is(err, fs.ErrNotExist):
			return nil, errors.Join(err, a.Close())
		}
	}
	return packOrClose(ctx, a, &o, found)
}

// provenanceBeside lets a file that nobody named be sent only if it is one itself:
// who can write beside the archive shall not choose among the files that its
// owner can read. It is no silent leaving out either, by which a chart would
// lose its signature unnoticed.
func provenanceBeside(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().IsRegular() {
		return info, err
	}
	return nil, &ArchiveError{
		Path:    path,
		Problem: "stands where the provenance file is looked for, and is no regular file; remove it, or name it as Provenance if it is meant",
		Err:     ErrUnsafeArchive,
	}
}

// PackArchive is Pack for an archive that is open, with the limits that it was
// opened with. The archive belongs to the result, which closes it; it is
// closed too when PackArchive fails.
func PackArchive(ctx context.Context, a *Archive, opts *PackOptions) (*Packed, error) {
	if opts == nil {
		opts = &PackOptions{}
	}
	return packOrClose(ctx, a, opts, nil)
}

// packOrClose wants the provenance file to be the one that was found, if one
// was.
func packOrClose(ctx context.Context, a *Archive, opts *PackOptions, found fs.FileInfo) (*Packed, error) {
	p, err := packArchive(ctx, a, opts, found)
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return p, nil
}

func packArchive(ctx context.Context, a *Archive, opts *PackOptions, found fs.FileInfo) (*Packed, error) {
	if _, err := time.Parse(time.RFC3339, opts.Created); err != nil && opts.Created != "" {
		return nil, fmt.Errorf("pack: created %s is not a time as RFC 3339 writes it", quoted(opts.Created))
	}
	hash := digest.SHA256.Digester()
	m, err := a.readMetadata(io.TeeReader(limit.WithContext(ctx, a.section()), hash.Hash()))
	if err != nil {
		return nil, err
	}
	if opts.Version != "" && opts.Version != m.Version || opts.AppVersion != "" && opts.AppVersion != m.AppVersion {
		return nil, atPath(a.path, fmt.Errorf("an archive keeps its version %s and appVersion %s; package its directory to give it others", quoted(m.Version), quoted(m.AppVersion)))
	}
	p := &Packed{
		Metadata: m,
		archive:  a,
		Layer:    ocispec.Descriptor{MediaType: LayerMediaType, Digest: hash.Digest(), Size: a.Size()},
	}
	layers := []ocispec.Descriptor{p.Layer}
	if p.provenance, err = provenanceFor(ctx, a, opts, found); err != nil {
		return nil, err
	}
	if found != nil && !bytes.Contains(p.provenance, []byte(p.Layer.Digest.Encoded())) {
		return nil, &ArchiveError{Path: opts.Provenance, Err: ErrVerification,
			Problem: "is of another archive, as its checksums say; sign this one anew, or remove the file"}
	}
	if p.provenance != nil {
		d := describe(ProvenanceMediaType, p.provenance)
		p.Provenance = &d
		layers = append(layers, d)
	}
	if p.config, err = json.Marshal(m); err != nil {
		return nil, err
	}
	p.Config = describe(ConfigMediaType, p.config)
	if p.manifest, err = buildManifest(m, p.Config, layers, opts.Created); err != nil {
		return nil, err
	}
	p.Manifest = describe(ocispec.MediaTypeImageManifest, p.manifest)
	return p, nil
}

// packageTemp packages a directory into a file without a name.
func packageTemp(ctx context.Context, dir string, opts *PackageOptions) (*Archive, error) {
	f, err := tempfile.New()
	if err != nil {
		return nil, err
	}
	if _, err = Package(ctx, dir, f, opts); err != nil {
		f.Close()
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		f.Close()
		return nil, err
	}
	limits := Limits{}
	if opts != nil {
		limits = opts.Limits
	}
	return newArchive(dir, f, size, &ArchiveOptions{Limits: limits})
}

func readProvenance(path string, found fs.FileInfo) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if found != nil {
		if info, err := f.Stat(); err != nil || !os.SameFile(info, found) {
			return nil, &ArchiveError{Path: path, Problem: errChanged.Error(), Err: errChanged}
		}
	}
	data, err := limit.ReadAll(f, maxProvenance)
	if errors.Is(err, limit.ErrExceeded) {
		return nil, &ArchiveError{Path: path, Problem: fmt.Sprintf("provenance file has more than %d bytes", maxProvenance), Err: ErrTooLarge}
	}
	return data, err
}
