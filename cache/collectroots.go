package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/ocijson"
)

// eachPart calls fn with the directory of each partition.
func (s *Store) eachPart(ctx context.Context, fn func(part string) error) error {
	return eachDir(ctx, s.path("parts"), fn)
}

// eachDir calls fn with the directories in a directory, and with what links to
// one: whoever reads the cache follows it.
func eachDir(ctx context.Context, dir string, fn func(path string) error) error {
	return eachFile(ctx, dir, func(e fs.DirEntry) error {
		path, is := filepath.Join(dir, e.Name()), e.IsDir()
		if e.Type()&fs.ModeSymlink != 0 {
			info, err := os.Stat(path)
			if is = err == nil && info.IsDir(); is {
				if err := checkLink(path); err != nil {
					return err
				}
			}
		}
		if !is {
			return nil
		}
		return fn(path)
	})
}

// eachRegular calls fn with the regular files in a directory. One that is gone
// by then is passed over.
func eachRegular(ctx context.Context, dir string, fn func(path string, info fs.FileInfo) error) error {
	return eachFile(ctx, dir, regular(dir, fn))
}

func regular(dir string, fn func(path string, info fs.FileInfo) error) func(fs.DirEntry) error {
	return func(e fs.DirEntry) error {
		if !e.Type().IsRegular() {
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return fn(filepath.Join(dir, e.Name()), info)
	}
}

// eachDigest calls fn with what has a digest for its name in the directories
// that are named for an algorithm.
func eachDigest(ctx context.Context, root string, fn func(path string, d digest.Digest, e fs.DirEntry) error) error {
	return eachDir(ctx, root, func(dir string) error {
		algorithm := digest.Algorithm(filepath.Base(dir))
		if !algorithm.Available() {
			return nil
		}
		return eachFile(ctx, dir, func(e fs.DirEntry) error {
			d := digest.NewDigestFromEncoded(algorithm, e.Name())
			if d.Validate() != nil {
				return nil
			}
			return fn(filepath.Join(dir, e.Name()), d, e)
		})
	})
}

// findKnown gathers what any partition knows.
func (c *collector) findKnown(ctx context.Context) error {
	return c.store.eachPart(ctx, func(part string) error {
		return eachDigest(ctx, filepath.Join(part, "known"), func(_ string, d digest.Digest, _ fs.DirEntry) error {
			c.known.add(string(d))
			return nil
		})
	})
}

// findRoots gathers the content that no limit removes. A pin or a hold that
// cannot be read ends the collection: what it names is not known. One that
// is bad names nothing that anybody could ask for.
func (c *collector) findRoots(ctx context.Context) error {
	return c.store.eachPart(ctx, func(part string) error {
		for _, kind := range []string{"pins", "held"} {
			err := eachDir(ctx, filepath.Join(part, kind), func(dir string) error {
				return eachFile(ctx, dir, func(e fs.DirEntry) error {
					r, ok, err := c.record(filepath.Join(dir, e.Name()))
					if err != nil || !ok {
						return err
					}
					return c.keepAll(ctx, part, r)
				})
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// record reads a pin, a hold or a reference of any partition.
func (c *collector) record(path string) (r record, ok bool, err error) {
	if isTemporary(filepath.Base(path)) {
		return record{}, false, nil
	}
	_, err = c.store.loadSealed(path, maxRecord, &r)
	switch {
	case err == nil:
		return r, true, nil
	case errors.Is(err, fs.ErrNotExist):
		return record{}, false, nil
	case errors.Is(err, errBadFile):
		c.store.log.Warn("bad file in the cache", "path", path, "error", err)
		return record{}, false, nil
	}
	return record{}, false, err
}

// keepAll adds to what is kept the manifest of a record, and all that it names
// or that is known to refer to it, through manifests that are here, whichever
// partition knows them.
func (c *collector) keepAll(ctx context.Context, part string, r record) error {
	root := r.descriptor()
	return eachBelow(ctx, root, func(desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
		if desc.Digest != root.Digest && !ocijson.IsManifest(desc.MediaType) {
			return nil, nil
		}
		below, err := c.store.peekChildren(desc)
		if err != nil {
			return nil, fmt.Errorf("read what manifest %s keeps: %w", desc.Digest, err)
		}
		list, err := c.referrers(filepath.Join(part, "referrers", hashName(r.Reference.Name()), escapeDigest(desc.Digest)))
		if err != nil {
			return nil, err
		}
		bad := func(desc ocispec.Descriptor) bool { return checkDescriptor(desc) != nil }
		return slices.DeleteFunc(slices.Concat(below, list.Items), bad), nil
	}, func(desc ocispec.Descriptor) error {
		c.rooted.add(string(desc.Digest))
		return nil
	})
}

// referrers reads a list of what refers to a manifest, in any partition. One
// that is missing or bad is empty.
func (c *collector) referrers(path string) (l listed[ocispec.Descriptor], err error) {
	_, err = c.store.loadSealed(path, maxList+maxRecord, &l)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errBadFile) {
		return listed[ocispec.Descriptor]{}, nil
	}
	return l, err
}

// peekChildren returns what a manifest names, without a note of its use. One
// that is missing or bad names nothing, and one that cannot be read is an error.
func (s *Store) peekChildren(desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	f, _, err := openRegular(s.blobPath(desc.Digest))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errIrregular) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := limit.ReadAll(f, maxManifest)
	if errors.Is(err, limit.ErrExceeded) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if desc.Digest.Algorithm().FromBytes(data) != desc.Digest {
		s.log.Warn("bad file in the cache", "digest", desc.Digest, "error", "its digest is another")
		return nil, nil
	}
	below, err := children(data)
	if err != nil {
		s.log.Warn("bad manifest in the cache", "digest", desc.Digest, "error", err)
	}
	return below, nil
}
