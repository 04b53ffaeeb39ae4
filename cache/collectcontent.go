package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"
)

// condemned is content whose turn it is to go.
type condemned struct {
	path   string
	digest digest.Digest
	info   fs.FileInfo
	reason RemovalReason
}

// batch is how much content goes at once, within some 10 ms: what a pin has to
// wait for.
const batch = 128

// sweepContent removes content as the plan says.
func (c *collector) sweepContent(ctx context.Context) error {
	err := c.eachContent(ctx, func(path string, d digest.Digest, info fs.FileInfo) error {
		c.old(path, info) // which sets times right
		reason, may := c.verdict(d, info)
		if may {
			reason = c.overdue(info)
		}
		if reason == ReasonUnknown {
			if known, err := c.knownAnywhere(ctx, d); err != nil {
				return err
			} else if known {
				reason = ""
			}
		}
		if reason == "" {
			c.keep(d, info)
			return nil
		}
		c.pending = append(c.pending, condemned{path, d, info, reason})
		if len(c.pending) < batch {
			return nil
		}
		return c.flush(ctx)
	})
	if err != nil {
		return err
	}
	return c.flush(ctx)
}

func (c *collector) keep(d digest.Digest, info fs.FileInfo) {
	c.result.Kept++
	c.result.KeptBytes += info.Size()
	if c.rooted.has(string(d)) {
		c.result.Rooted++
		c.result.RootedBytes += info.Size()
	}
}

// flush removes the content whose turn it is, while nothing is being pinned, and
// then tells of it.
func (c *collector) flush(ctx context.Context) error {
	if len(c.pending) == 0 {
		return nil
	}
	gone := c.pending
	c.pending = nil
	if c.opts.DryRun {
		for _, x := range gone {
			c.gone.add(string(x.digest))
		}
	} else {
		claim, err := c.store.lockOut(ctx, lockRemove)
		if err != nil {
			return err
		}
		left := gone[:0]
		for _, x := range gone {
			if c.remove(x) {
				left = append(left, x)
			}
		}
		gone = left
		claim.Release()
	}
	for _, x := range gone {
		c.result.Removed++
		c.result.RemovedBytes += x.info.Size()
		c.tell(Removal{Kind: RemovedContent, Digest: x.digest, Path: x.path, Reason: x.reason}, x.info)
	}
	return nil
}

func (c *collector) tell(r Removal, info fs.FileInfo) {
	if c.opts.Removed == nil {
		return
	}
	r.Size, r.LastUsed = info.Size(), info.ModTime()
	c.opts.Removed(r)
}

// remove takes content away unless it was used, or brought anew, since it was
// looked at. To look and to remove are two steps, between which somebody could
// do either: so it is taken out of everyone's reach first, and put back if
// somebody has.
func (c *collector) remove(x condemned) (removed bool) {
	aside := c.store.asidePath(x.digest)
	err := c.store.withParent(aside, func() error { return os.Rename(x.path, aside) })
	if errors.Is(err, fs.ErrNotExist) {
		return false // somebody else has removed it
	}
	path := aside
	if err != nil {
		path = x.path // a full disk may not even have room for another name
	}
	info, err := os.Lstat(path)
	if err == nil && c.same(info, x.info) {
		err = os.Remove(path)
		if err == nil {
			return true
		}
	}
	if path == aside {
		err = errors.Join(err, putBack(aside, x.path))
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false
	case err == nil:
	case heldOpen(err):
		c.result.Busy++
	default:
		c.fail(err)
	}
	c.keep(x.digest, x.info)
	return false
}

// same tells whether a file is the one that was looked at, and nobody has used
// it since.
func (c *collector) same(now, then fs.FileInfo) bool {
	return os.SameFile(now, then) && now.ModTime().Before(c.young)
}

// putBack gives content its name again. Where it came anew meanwhile, that stays:
// it may be on the disk already, for a pin.
func putBack(aside, path string) error {
	err := os.Link(aside, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return os.Remove(aside)
	}
	return os.Rename(aside, path) // the file system has no links
}

// asidePrefix is that of the names of content in ingest that is on its way out.
const asidePrefix = "gone-"

func (s *Store) asidePath(d digest.Digest) string {
	return s.path("ingest", asidePrefix+d.Algorithm().String()+"-"+d.Encoded())
}

// missingContent tells whether content is gone, or would be after a dry run.
func (c *collector) missingContent(d digest.Digest) bool {
	if c.gone.has(string(d)) {
		return true
	}
	_, err := os.Lstat(c.store.blobPath(d))
	return errors.Is(err, fs.ErrNotExist)
}

// forget removes a file that is not content if it is still the one that was
// looked at. What such a file says can be asked for again.
func (c *collector) forget(path string, info fs.FileInfo) (removed bool) {
	if c.opts.DryRun {
		return true
	}
	now, err := os.Lstat(path)
	if err == nil && !(os.SameFile(now, info) && now.ModTime().Equal(info.ModTime())) {
		return false
	}
	if err == nil {
		err = os.Remove(path)
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, fs.ErrNotExist):
	case heldOpen(err):
		c.result.Busy++
	default:
		c.fail(err)
	}
	return false
}

// dropEmpty removes a directory in which nothing is, if that is so for a while:
// one that was just made is about to be used.
func (c *collector) dropEmpty(dir string) {
	if c.opts.DryRun {
		return
	}
	if info, err := os.Lstat(dir); err == nil && info.ModTime().Before(c.young) {
		os.Remove(dir) // fails where something is in it
	}
}
