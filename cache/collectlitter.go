package cache

import (
	"context"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/internal/lockfile"
)

// Names that only we give: what else lies in the directory is somebody else's.
var (
	temporaryName = regexp.MustCompile(`^\..+\.tmp-[A-Z2-7]{8}$`)              // of internal/atomicfile
	ingestName    = regexp.MustCompile(`^([A-Z2-7]{26}|[0-9a-f]{64}\.[0-9])$`) // of Store.newIngest
	lockName      = regexp.MustCompile(`^([0-9a-f]{64}\.[0-9]|collect|remove)$`)
)

// isTemporary tells of a file that was to be renamed.
func isTemporary(name string) bool { return name[0] == '.' && temporaryName.MatchString(name) }

// litter removes a file that its process has not written to for a while.
func (c *collector) litter(path string, info fs.FileInfo) (removed bool) {
	if !c.old(path, info) || !c.forget(path, info) {
		return false
	}
	c.littered(path, info)
	return true
}

func (c *collector) littered(path string, info fs.FileInfo) {
	c.result.Litter++
	c.result.LitterBytes += info.Size()
	c.tell(Removal{Kind: RemovedLitter, Path: path, Reason: ReasonAbandoned}, info)
}

// sweepIngest removes content that stopped on its way in, or out.
func (c *collector) sweepIngest(ctx context.Context) error {
	return eachRegular(ctx, c.store.path("ingest"), func(path string, info fs.FileInfo) error {
		name := filepath.Base(path)
		d, aside := asideDigest(name)
		switch {
		case aside && !info.ModTime().Before(c.young):
			// The collection that took it away, in the moment in which it came
			// anew, did not live to put it back.
			if !c.opts.DryRun {
				if err := putBack(path, c.store.blobPath(d)); err != nil {
					c.fail(err)
				}
			}
		case aside, ingestName.MatchString(name):
			c.litter(path, info)
		}
		return nil
	})
}

func asideDigest(name string) (digest.Digest, bool) {
	rest, ok := strings.CutPrefix(name, asidePrefix)
	algorithm, hex, _ := strings.Cut(rest, "-")
	d := digest.NewDigestFromEncoded(digest.Algorithm(algorithm), hex)
	return d, ok && d.Validate() == nil
}

// sweepLocks removes the files of locks whose holders were killed. To hold a lock
// is the only right to remove its file, and whoever gives it back does so.
func (c *collector) sweepLocks(ctx context.Context) error {
	return eachRegular(ctx, c.store.path("locks"), func(path string, info fs.FileInfo) error {
		if !lockName.MatchString(filepath.Base(path)) || !c.old(path, info) {
			return nil
		}
		if !c.opts.DryRun {
			claim, err := lockfile.TryClaim(path)
			if err != nil || claim == nil {
				return nil // there are no locks here, or somebody has it
			}
			claim.Release()
		}
		c.littered(path, info)
		return nil
	})
}

// sweepTop removes what lies beside the directories: a stamp that was never
// renamed.
func (c *collector) sweepTop(ctx context.Context) error {
	return readDir(ctx, c.store.dir, regular(c.store.dir, func(path string, info fs.FileInfo) error {
		if isTemporary(filepath.Base(path)) {
			c.litter(path, info)
		}
		return nil
	}))
}
