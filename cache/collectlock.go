package cache

import (
	"context"
	"time"

	"github.com/portolan-oci/portolan/internal/lockfile"
)

// lockOut waits until no other process, and no other goroutine, has the lock of
// that name. Where the file system has no locks, or nothing can be written, it
// is had by everyone. The error is that of ctx.
func (s *Store) lockOut(ctx context.Context, name string) (unlock func(), err error) {
	path := s.path("locks", name)
	err = s.withParent(path, func() error {
		unlock, err = lockfile.LockFile(ctx, path)
		return err
	})
	switch {
	case err == nil:
		return unlock, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	s.trouble(cannotLock, err)
	return func() {}, nil
}

// tryLockOut is lockOut without the wait.
func (s *Store) tryLockOut(ctx context.Context, name string) (unlock func(), ok bool) {
	ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	unlock, err := s.lockOut(ctx, name)
	return unlock, err == nil
}

const cannotLock = "cache has no locks, going on without"

// holdRemovals keeps collections from removing content until release, which is
// called soon. Content that was opened under it is not removed afterwards
// either, since it was used.
func (s *Store) holdRemovals(ctx context.Context) (release func(), err error) {
	return s.lockOut(ctx, "remove")
}
