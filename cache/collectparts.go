package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
)

// sweepParts forgets what the partitions note about content that is gone. Pins
// and holds stay, whatever they name.
func (c *collector) sweepParts(ctx context.Context) error {
	return c.store.eachPart(ctx, func(part string) error {
		in := func(kind string) string { return filepath.Join(part, kind) }
		keep := func(string, fs.FileInfo) (bool, error) { return true, nil }
		for _, sweep := range []func() error{
			func() error { return c.sweepKnown(ctx, in("known")) },
			func() error {
				return c.sweepBelow(ctx, in("refs"), c.sweepReference)
			},
			func() error { return c.sweepBelow(ctx, in("pins"), keep) },
			func() error { return c.sweepBelow(ctx, in("held"), keep) },
			func() error { return c.sweepBelow(ctx, in("referrers"), c.sweepReferrers) },
			func() error { return c.sweepBelow(ctx, in("absent"), c.sweepAbsent) },
			func() error {
				_, err := c.sweepFiles(ctx, in("tags"), func(path string, info fs.FileInfo) (bool, error) {
					return c.sweepTags(ctx, part, path, info)
				})
				return err
			},
		} {
			if err := sweep(); err != nil {
				return err
			}
		}
		c.dropEmpty(part)
		return nil
	})
}

// sweepBelow goes through the directories in a directory, one for each
// repository.
func (c *collector) sweepBelow(ctx context.Context, root string, fn func(path string, info fs.FileInfo) (kept bool, err error)) error {
	err := eachDir(ctx, root, func(dir string) error {
		if !hashedName.MatchString(filepath.Base(dir)) {
			return nil // not made by us
		}
		kept, err := c.sweepFiles(ctx, dir, fn)
		if err == nil && kept == 0 {
			c.emptied.add(dir)
		}
		return err
	})
	c.dropEmpty(root)
	return err
}

// sweepFiles calls fn with the files of a directory, and removes those that were
// never renamed. It counts what is left.
func (c *collector) sweepFiles(ctx context.Context, dir string, fn func(path string, info fs.FileInfo) (kept bool, err error)) (left int, err error) {
	err = eachFile(ctx, dir, func(e fs.DirEntry) error {
		left++
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			return nil
		}
		if err != nil {
			return err
		}
		path, kept := filepath.Join(dir, e.Name()), true
		if isTemporary(e.Name()) {
			kept = !c.litter(path, info)
		} else {
			kept, err = fn(path, info)
		}
		if !kept {
			left--
		}
		return err
	})
	if left == 0 {
		c.dropEmpty(dir)
	}
	return left, err
}

// sweepKnown forgets that a partition knows content that is gone: it would be
// given it without a question when another one brings it again.
func (c *collector) sweepKnown(ctx context.Context, root string) error {
	return eachDigest(ctx, root, func(path string, d digest.Digest, e fs.DirEntry) error {
		if !c.missingContent(d) {
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && !c.old(path, info) {
			return nil // noted before the content comes
		}
		if err != nil {
			return err
		}
		if !c.forget(path, info) {
			return nil
		}
		if !c.opts.DryRun && !c.missingContent(d) { // it came meanwhile, and whoever brought it found the note
			if err := restore(path, info); err != nil {
				c.fail(err)
			}
			return nil
		}
		c.result.Notes++
		return nil
	})
}

// restore makes an empty file again, with its time.
func restore(path string, info fs.FileInfo) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|openNonblock, 0o666)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Chtimes(path, info.ModTime(), info.ModTime()))
}

func (c *collector) sweepReference(path string, info fs.FileInfo) (kept bool, err error) {
	r, ok, err := c.record(path)
	if err != nil || !ok || !c.missingContent(r.Digest) || !c.old(path, info) {
		return true, err
	}
	if !c.forget(path, info) {
		return true, nil
	}
	c.result.References++
	c.tell(Removal{Kind: RemovedReference, Digest: r.Digest, Reference: r.Reference, Path: path, Reason: ReasonGone}, info)
	return false, nil
}

// sweepTags forgets the tags of a repository of which nothing is here.
func (c *collector) sweepTags(ctx context.Context, part, path string, info fs.FileInfo) (kept bool, err error) {
	if !hashedName.MatchString(filepath.Base(path)) || !c.old(path, info) {
		return true, nil
	}
	for _, kind := range []string{"refs", "pins", "held"} {
		empty, err := c.isEmpty(ctx, filepath.Join(part, kind, filepath.Base(path)))
		if err != nil || !empty {
			return true, err
		}
	}
	return c.note(path, info, ReasonGone), nil
}

var errSome = errors.New("not empty")

func (c *collector) isEmpty(ctx context.Context, dir string) (bool, error) {
	if c.emptied.has(dir) {
		return true, nil
	}
	err := eachFile(ctx, dir, func(fs.DirEntry) error { return errSome })
	if err == errSome {
		return false, nil
	}
	return err == nil, err
}

// sweepReferrers forgets what refers to content that is gone.
func (c *collector) sweepReferrers(path string, info fs.FileInfo) (kept bool, err error) {
	if !c.old(path, info) {
		return true, nil
	}
	l, err := c.referrers(path)
	if err != nil || l.Of.Digest == "" || !c.missingContent(l.Of.Digest) {
		return true, err
	}
	return c.note(path, info, ReasonGone), nil
}

// sweepAbsent forgets that something was not there: that holds for a minute.
func (c *collector) sweepAbsent(path string, info fs.FileInfo) (kept bool, err error) {
	if !plainName.MatchString(filepath.Base(path)) || !c.old(path, info) {
		return true, nil
	}
	return c.note(path, info, ReasonExpired), nil
}

func (c *collector) note(path string, info fs.FileInfo, reason RemovalReason) (kept bool) {
	if !c.forget(path, info) {
		return true
	}
	c.result.Notes++
	c.tell(Removal{Kind: RemovedNote, Path: path, Reason: reason}, info)
	return false
}
