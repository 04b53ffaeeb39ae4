package chart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/portolan-oci/portolan/internal/atomicfile"
)

// Signer makes the provenance file of an archive. Implementations are safe for
// concurrent use.
type Signer interface {
	// Sign reads the archive, whose content has been checked, and returns the
	// bytes of its .prov file, at most 1.25 MiB. The archive is not the
	// signer's to close.
	Sign(ctx context.Context, archive *Archive) (provenance []byte, err error)
}

// provenanceFor returns the provenance file that opts ask for; nil for none.
func provenanceFor(ctx context.Context, a *Archive, opts *PackOptions, found fs.FileInfo) ([]byte, error) {
	given := 0
	for _, is := range []bool{opts.Signer != nil, opts.Provenance != "", opts.ProvenanceBytes != nil} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return nil, errors.New("pack: of a provenance file, its content and a signer, more than one is given: use one of them")
	case opts.Signer != nil:
		return sign(ctx, a, opts.Signer)
	case opts.Provenance != "":
		return readProvenance(opts.Provenance, found)
	}
	return opts.ProvenanceBytes, nil
}

func sign(ctx context.Context, a *Archive, signer Signer) ([]byte, error) {
	data, err := signer.Sign(ctx, a)
	switch {
	case err != nil:
		return nil, err
	case len(data) == 0:
		return nil, errors.New("sign: the signer has made an empty provenance file")
	case len(data) > maxProvenance:
		return nil, &ArchiveError{Path: a.path, Problem: fmt.Sprintf("provenance file has more than %d bytes", maxProvenance), Err: ErrTooLarge}
	}
	return data, nil
}

// PackageSigned is PackageFile for a package that is signed: beside it,
// <name>-<version>.tgz.prov appears, where "helm verify" and Pack look for it.
// Nothing is replaced before the signature is made; both files are forced to
// the disk, then renamed into place, the signature first, so that what an
// accident between the two leaves is refused by whoever verifies. Errors as
// for PackageFile, and the signer's.
func PackageSigned(ctx context.Context, dir, destDir string, signer Signer, opts *PackageOptions) (path string, m *Metadata, err error) {
	if signer == nil {
		return "", nil, errors.New("package: no signer")
	}
	return packageFile(ctx, dir, destDir, signer, opts)
}

// sign signs the package that was written to f, and puts both into place.
func (d *directory) sign(ctx context.Context, f *atomicfile.File, path string, signer Signer) error {
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	// The section hides Close: the file stays open for its Commit.
	a, err := newArchive(d.path, io.NewSectionReader(f, 0, size), size, &ArchiveOptions{Limits: d.limits})
	if err != nil {
		return err
	}
	prov, err := sign(ctx, a, signer)
	if err != nil {
		return err
	}
	return commitBoth(f, path+provSuffix, prov, true)
}

// provSuffix is what Helm appends to the name of an archive.
const provSuffix = ".prov"

// commitBoth puts an archive and its provenance file into place. Where the
// archive cannot follow, the provenance file is taken away again.
func commitBoth(archive *atomicfile.File, provPath string, prov []byte, sync bool) error {
	p, err := atomicfile.Create(provPath, 0o644)
	if err != nil {
		return err
	}
	defer p.Close()
	if _, err := p.Write(prov); err != nil {
		return err
	}
	if sync {
		if err := errors.Join(archive.Sync(), p.Sync()); err != nil {
			return err
		}
	}
	if err := p.Commit(); err != nil {
		return err
	}
	if err := archive.Commit(); err != nil {
		return errors.Join(err, os.Remove(provPath))
	}
	return nil
}
