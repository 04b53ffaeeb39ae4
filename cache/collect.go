package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Limits say what a collection may remove. The zero Limits remove nothing but
// litter: what processes that were killed have left behind, and notes about
// content that is gone.
//
// Whatever the limits, what is pinned stays, and what was imported, and all
// that these name, and whatever was used or written within Grace.
type Limits struct {
	// MaxAge removes content that nobody has used for longer. Zero, and less: no
	// such limit.
	MaxAge time.Duration
	// MaxSize is how many bytes of content may be here, of all partitions
	// together: beyond that, what was used longest ago goes first. Zero, and
	// less: no such limit.
	MaxSize int64
	// MinFree is how many bytes are to be free, for whoever runs this, on the
	// file system of the cache; else content goes as for MaxSize. Zero, and
	// less: no such limit.
	MinFree int64
	// Grace is how long what was used or written is left alone. Zero:
	// DefaultGrace. It is an hour at least, since use is noted once an hour.
	Grace time.Duration
}

// DefaultGrace is how long content is left alone after its use: longer than
// what began with it may take to end.
const DefaultGrace = 2 * time.Hour

// grace is that of the limits in effect.
func (l Limits) grace() time.Duration {
	if l.Grace == 0 {
		return DefaultGrace
	}
	return max(l.Grace, useInterval)
}

// CollectOptions are those of one collection. The zero value is usable.
type CollectOptions struct {
	// DryRun removes and changes nothing, and tells what would be removed.
	DryRun bool
	// Removed hears of everything that is removed, one at a time. It must not
	// collect. Nil: nobody does.
	Removed func(Removal)
}

// Collection is what a collection did, or, in a dry run, would do.
type Collection struct {
	// Removed files of content, and Kept ones, with their bytes.
	Removed, Kept           int
	RemovedBytes, KeptBytes int64
	// Rooted is how many of the kept ones are pinned, were imported, or are
	// named by what is.
	Rooted      int
	RootedBytes int64
	// References that are forgotten, because their manifest is gone.
	References int
	// Notes that are forgotten: which partition knows content that is gone, and
	// lists and absences that answer for nothing that is here.
	Notes int
	// Litter is what killed processes have left: files, and their bytes.
	Litter      int
	LitterBytes int64
	// Busy counts the files that the system did not let go, since somebody
	// reads them: Windows does that. They go with the next collection.
	Busy int
	// Excess is by how many bytes MaxSize or MinFree is missed, since all else
	// is rooted, busy or within its grace.
	Excess int64
}

// Collect removes what the limits do not allow, of all partitions, and litter.
// Any process may use the cache meanwhile: what is used anew before its turn
// comes stays, and what is open stays readable. Collections of one directory
// come one after the other; this waits for the one before until ctx ends.
//
// It may be killed, or end with ctx or an error, at any point: what it did
// stands, and is told, and the next one goes on. An error is of a directory or
// a file that cannot be read, or not removed for a reason other than that
// somebody reads it. Nothing is removed when it cannot be read what is pinned.
// With MinFree, it matches errors.ErrUnsupported where the system does not tell
// how much is free.
//
// A cache that does not exist has nothing to collect. A collection takes some
// 50 bytes of memory for each content, whatever its size.
func (s *Store) Collect(ctx context.Context, limits Limits, options CollectOptions) (Collection, error) {
	if err := ctx.Err(); err != nil || !s.exists() {
		return Collection{}, err
	}
	if !options.DryRun {
		claim, err := s.lockOut(ctx, lockCollect)
		if err != nil {
			return Collection{}, fmt.Errorf("collect the cache: %w", err)
		}
		defer claim.Release()
	}
	return s.collect(ctx, limits, options)
}

// collect wants the lock of collections, unless it is a dry run.
func (s *Store) collect(ctx context.Context, limits Limits, options CollectOptions) (Collection, error) {
	c := newCollector(s, limits, options)
	err := c.run(ctx)
	if err == nil && !options.DryRun {
		s.writeStamp(c.now)
	}
	if err == nil {
		err = c.failed()
	}
	if err != nil {
		return c.result, fmt.Errorf("collect the cache: %w", err)
	}
	return c.result, nil
}

func (s *Store) exists() bool {
	if s.dir == "" {
		return false
	}
	_, err := os.Stat(s.dir)
	return !errors.Is(err, fs.ErrNotExist)
}

// collector is one collection.
type collector struct {
	store  *Store
	limits Limits
	opts   CollectOptions
	now    time.Time
	young  time.Time // what was used later is left alone
	mends  bool      // times that lie in the future are set right

	known   *hashSet // digests that some partition knows
	rooted  *hashSet // digests that are pinned or held, or named by what is
	gone    *hashSet // digests that a dry run would have removed
	emptied *hashSet // directories of references of which none is left

	plan    plan
	pending []condemned
	result  Collection
	first   error // of those that were gone over
	failing int
}

func newCollector(s *Store, limits Limits, options CollectOptions) *collector {
	now := time.Now()
	last, ok := s.lastStamp()
	return &collector{
		store: s, limits: limits, opts: options, now: now, young: now.Add(-limits.grace()),
		// A clock that is behind the last collection is the one that is wrong.
		mends: !options.DryRun && !(ok && now.Before(last)),
		known: newHashSet(), rooted: newHashSet(), gone: newHashSet(), emptied: newHashSet(),
	}
}

// run goes from what names content to the content, and from there to what is
// said about it: killed in between, the next run finds the rest.
func (c *collector) run(ctx context.Context) error {
	if err := c.findRoots(ctx); err != nil {
		return err
	}
	if err := c.findKnown(ctx); err != nil {
		return err
	}
	if err := c.makePlan(ctx); err != nil {
		return err
	}
	for _, sweep := range []func(context.Context) error{c.sweepContent, c.sweepParts, c.sweepIngest, c.sweepLocks, c.sweepTop} {
		if err := sweep(ctx); err != nil {
			return err
		}
	}
	c.result.Excess = c.excess()
	return nil
}

// old tells whether a file is beyond its grace. One whose time lies in the
// future, by a clock gone wrong, is not; it is given the time of now.
func (c *collector) old(path string, info fs.FileInfo) bool {
	used := info.ModTime()
	if c.mends && used.After(c.now) {
		os.Chtimes(path, time.Time{}, c.now) // else it stays until then
	}
	return used.Before(c.young)
}

// fail notes a file that could not be removed, and goes on.
func (c *collector) fail(err error) {
	if c.first == nil {
		c.first = err
	}
	c.failing++
}

func (c *collector) failed() error {
	if c.failing > 1 {
		return fmt.Errorf("%w, and %d more files that cannot be removed", c.first, c.failing-1)
	}
	return c.first
}
