package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
)

// plan says which content goes for its age, and since when what is left must
// have been used for the limits of size and free space.
type plan struct {
	unused time.Time // used before that, it goes for its age; zero: no limit
	sized  bool      // the rest counts
	cut    int64     // Unix seconds: used before that, it goes
	tie    int64     // bytes that go of what was last used in that second
	size   int64     // bytes of what goes by the two above that go for MaxSize
	free   int64     // bytes that are free before it
}

// makePlan adds up by the hour of its last use what content may go: an hour
// each, a hundred years are a million numbers. The hour in which there is enough
// is looked at again by the second, so that what was used last stays.
func (c *collector) makePlan(ctx context.Context) error {
	if c.limits.MaxAge > 0 {
		c.plan.unused = c.now.Add(-c.limits.MaxAge)
	}
	if c.limits.MaxSize <= 0 && c.limits.MinFree <= 0 {
		return nil
	}
	var total, going int64 // all content, and what goes for other reasons
	hours := map[int64]int64{}
	err := c.eachContent(ctx, func(_ string, d digest.Digest, info fs.FileInfo) error {
		total += info.Size()
		switch reason, may := c.verdict(d, info); {
		case reason != "":
			going += info.Size()
		case may:
			hours[floor(info.ModTime().Unix(), 3600)] += info.Size()
		}
		return nil
	})
	if err != nil {
		return err
	}
	need, err := c.need(total, going)
	if err != nil || need <= 0 {
		return err
	}
	c.plan.sized = true
	hour, enough := oldest(hours, &need)
	if !enough {
		c.plan.cut = c.young.Unix() + 1
		return nil
	}
	seconds := map[int64]int64{}
	err = c.eachContent(ctx, func(_ string, d digest.Digest, info fs.FileInfo) error {
		used := info.ModTime().Unix()
		if reason, may := c.verdict(d, info); reason == "" && may && floor(used, 3600) == hour {
			seconds[used] += info.Size()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if c.plan.cut, enough = oldest(seconds, &need); !enough { // it was used meanwhile
		c.plan.cut = hour*3600 + 3600
		return nil
	}
	c.plan.tie = need
	return nil
}

// need is how many bytes have to go for size and free space.
func (c *collector) need(total, going int64) (int64, error) {
	var need int64
	if c.limits.MaxSize > 0 {
		need = max(need, total-going-c.limits.MaxSize)
		c.plan.size = need
	}
	if c.limits.MinFree > 0 {
		var err error
		if c.plan.free, err = freeSpace(c.store.dir); err != nil {
			return 0, fmt.Errorf("free space of %s: %w", c.store.dir, err)
		}
		need = max(need, c.limits.MinFree-c.plan.free-going)
	}
	return need, nil
}

// excess is by how much the limits are missed in the end.
func (c *collector) excess() (bytes int64) {
	if c.limits.MaxSize > 0 {
		bytes = max(bytes, c.result.KeptBytes-c.limits.MaxSize)
	}
	if c.limits.MinFree > 0 {
		bytes = max(bytes, c.limits.MinFree-c.plan.free-c.result.RemovedBytes)
	}
	return bytes
}

// oldest returns the first time until which there are as many bytes as needed,
// and leaves in need what it has to give of these.
func oldest(bytes map[int64]int64, need *int64) (at int64, enough bool) {
	for _, at := range slices.SortedFunc(maps.Keys(bytes), cmp.Compare[int64]) {
		if bytes[at] >= *need {
			return at, true
		}
		*need -= bytes[at]
	}
	return 0, false
}

// floor divides and rounds down: there are times before 1970.
func floor(n, by int64) int64 {
	q := n / by
	if n%by < 0 {
		q--
	}
	return q
}

// eachContent calls fn with each file of content.
func (c *collector) eachContent(ctx context.Context, fn func(path string, d digest.Digest, info fs.FileInfo) error) error {
	return eachDigest(ctx, c.store.path("blobs"), func(path string, d digest.Digest, e fs.DirEntry) error {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			return nil // what is not a file is not ours
		}
		if err != nil {
			return err
		}
		return fn(path, d, info)
	})
}

// verdict tells why content goes before size and free space are looked at, and,
// if not, whether it may go for those.
func (c *collector) verdict(d digest.Digest, info fs.FileInfo) (reason RemovalReason, may bool) {
	used := info.ModTime()
	switch {
	case !used.Before(c.young), c.rooted.has(string(d)):
		return "", false
	case !c.known.has(string(d)):
		return ReasonUnknown, false
	case used.Before(c.plan.unused):
		return ReasonUnused, false
	}
	return "", true
}

// overdue tells why content goes that may go for size or free space.
func (c *collector) overdue(info fs.FileInfo) RemovalReason {
	used := info.ModTime().Unix()
	if !c.plan.sized || used > c.plan.cut || used == c.plan.cut && c.plan.tie <= 0 {
		return ""
	}
	if used == c.plan.cut {
		c.plan.tie -= info.Size()
	}
	reason := ReasonFree
	if c.plan.size > 0 {
		reason = ReasonSize
	}
	c.plan.size -= info.Size()
	return reason
}

// knownAnywhere looks once more whether a partition knows content.
func (c *collector) knownAnywhere(ctx context.Context, d digest.Digest) (known bool, err error) {
	err = c.store.eachPart(ctx, func(part string) error {
		_, err := os.Lstat(filepath.Join(part, "known", d.Algorithm().String(), d.Encoded()))
		known = known || !errors.Is(err, fs.ErrNotExist)
		return nil
	})
	return known, err
}
