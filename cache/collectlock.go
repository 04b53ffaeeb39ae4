package cache

import (
	"context"
	"time"

	"github.com/portolan-oci/portolan/internal/lockfile"
)

// Names of locks; those of downloads have others.
const (
	lockCollect = "collect" // had by the collection of the directory
	lockRemove  = "remove"  // had while content is removed, and while it is pinned
)

// lockOut waits until no other process, and no other goroutine, has the lock of
// that name. Where the file system has no locks, or nothing can be written,
// everyone has it. The error is that of ctx.
func (s *Store) lockOut(ctx context.Context, name string) (*lockfile.Claim, error) {
	for {
		claim, free := s.tryLockOut(name)
		if free {
			return claim, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(claimEvery):
		}
	}
}

// tryLockOut is lockOut without the wait: free tells whether it was.
func (s *Store) tryLockOut(name string) (claim *lockfile.Claim, free bool) {
	claim, err := s.claim(name)
	if err != nil {
		s.trouble(cannotLock, err)
	}
	return claim, claim != nil || err != nil
}

const cannotLock = "cache has no locks, going on without"

// holdRemovals keeps collections from removing anything for as long as it has
// the claim, which is short. What is opened meanwhile stays afterwards too: it
// was used. A collection that hangs is not waited for longer than the store has
// patience: it looks again at what it removes. The error is that of ctx.
func (s *Store) holdRemovals(ctx context.Context) (*lockfile.Claim, error) {
	bounded, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	claim, err := s.lockOut(bounded, lockRemove)
	if err != nil && ctx.Err() == nil {
		return nil, nil
	}
	return claim, err
}
