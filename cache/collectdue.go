package cache

import (
	"context"
	"errors"
	"time"
)

// stamp is the file that says when the last collection was.
type stamp struct {
	Collected time.Time `json:"collected"`
}

func (s *stamp) check() error {
	if s.Collected.IsZero() {
		return errors.New("it has no time")
	}
	return nil
}

// maxStamp bounds the stamp's file: a key and a time are 60 bytes.
const maxStamp = 1 << 10

// CollectIfDue is Collect if no process has done it within every, or does it
// now; else it costs the look at one small file. Nothing ever collects by
// itself: call this where your program can spare the time, some seconds for a
// cache of 100,000 charts.
//
// Errors as for Collect. After one it is due again, unless that was of single
// files that could not be removed; and so it is after a dry run.
func (s *Store) CollectIfDue(ctx context.Context, limits Limits, every time.Duration, options CollectOptions) (ran bool, c Collection, err error) {
	if err := ctx.Err(); err != nil || !s.exists() || !s.due(every) {
		return false, Collection{}, err
	}
	claim, free := s.tryLockOut(lockCollect)
	if !free {
		return false, Collection{}, nil
	}
	defer claim.Release()
	if !s.due(every) { // somebody has just done it
		return false, Collection{}, nil
	}
	c, err = s.collect(ctx, limits, options)
	return true, c, err
}

// due tells whether the last collection is long ago. One that is to come, by a
// clock gone wrong, was none.
func (s *Store) due(every time.Duration) bool {
	last, ok := s.lastStamp()
	return !ok || !within(last, time.Now(), every)
}

func (s *Store) lastStamp() (time.Time, bool) {
	var last stamp
	_, err := s.loadSealed(s.path("collected"), maxStamp, &last)
	return last.Collected, err == nil
}

// writeStamp is not needed for anything to be right.
func (s *Store) writeStamp(now time.Time) {
	if err := s.writeSealed(s.path("collected"), stamp{now.UTC()}, false); err != nil {
		s.trouble(cannotWrite, err)
	}
}
