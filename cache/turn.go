package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/lockfile"
	"github.com/portolan-oci/portolan/registry"
)

// One download per content, among all goroutines and processes that read
// through one partition. Whoever finds that it is not here asks for the turn to
// fetch it: a flight in this process, and for the one who leads it a claim among
// the processes. The others watch the file of the download grow. It stops
// growing when its holder hangs, or has to wait for a registry, or for a slow
// reader: then the next level has a turn of its own, and after the last one
// everyone fetches for himself. So nobody waits in vain for longer than the
// levels together, and a file system without locks costs downloads and nothing
// else.
const levels = 2

// DefaultPatience is how long a download of somebody else may stand still before
// one that waits for it fetches the content itself.
const DefaultPatience = 10 * time.Second

// claimEvery is how often a claim that another process has is asked for again,
// at some 20 µs.
const claimEvery = 10 * time.Millisecond

// turn is the right and the duty to fetch content that others wait for. Its end
// must be told.
type turn struct {
	flight *flight         // nil: nobody follows
	claim  *lockfile.Claim // nil: without
	name   string          // of the file in ingest; empty: any
}

// moved tells those who follow how much has come.
func (t *turn) moved(n int) {
	if t.flight != nil {
		t.flight.moved.Add(int64(n))
	}
}

// restart tells them that it comes anew.
func (t *turn) restart() {
	if t.flight != nil {
		t.flight.moved.Store(0)
	}
}

// end gives the turn back. What was fetched is found by other processes before
// that; those of this one who follow get a share of the same file. An error
// is theirs too. end may be called again, which does nothing.
func (t *turn) end(ctx context.Context, c *Content, err error) {
	t.claim.Release()
	t.flight.end(ctx, c, err)
	t.claim, t.flight = nil, nil
}

// await waits while others fetch the content, until it is here or until it is
// the caller's turn to fetch it: one of content, turn and error is returned.
func (s *Source) await(ctx context.Context, desc ocispec.Descriptor) (*Content, *turn, error) {
	at, ended := registry.TrackTransfer(ctx, registry.Transfer{Reference: s.ref.WithDigest(desc.Digest), Descriptor: desc})
	defer ended()
	patience := max(s.store.patience/levels, claimEvery)
	for level := 0; level < levels; {
		f, leads := s.store.flights.join(flightKey{s.ref.Name(), desc.Digest, desc.Size, level})
		if leads {
			c, t, err := s.lead(ctx, f, desc, patience, at)
			if c != nil || t != nil || err != nil {
				return c, t, err
			}
			level++ // another process stands still
			continue
		}
		landed := f.follow(ctx, patience, at)
		switch {
		case landed.err != nil:
			return nil, nil, registry.WrapError("fetch", s.ref.WithDigest(desc.Digest), landed.err)
		case landed.file != nil:
			s.settle(desc)
			return newContent(landed.file, desc, FromCache), nil, nil
		case landed.stalled:
			level++
		}
	}
	return nil, &turn{}, nil
}

// lead asks for the turn among the processes. Neither content nor turn nor
// error: the one who has it stands still.
func (s *Source) lead(ctx context.Context, f *flight, desc ocispec.Descriptor, patience time.Duration, at func(int64)) (c *Content, t *turn, err error) {
	defer func() {
		switch {
		case t != nil:
		case c == nil && err == nil:
			f.end(ctx, nil, errStalled)
		default:
			f.end(ctx, c, err)
		}
	}()
	name := s.store.turnName(f.key)
	grows := newGrowth(desc.Size)
	for {
		claim, claimErr := s.store.claim(name)
		if claimErr != nil {
			s.store.noLocks(claimErr)
			return nil, &turn{flight: f}, nil
		}
		if claim != nil || s.store.has(desc) {
			if c, err = s.hit(ctx, desc); c != nil || err != nil {
				claim.Release()
				return c, nil, err
			}
		}
		if claim != nil {
			return nil, &turn{f, claim, name}, nil
		}
		if info, err := os.Stat(s.store.path("ingest", name)); err == nil && grows.to(info.Size()) {
			f.moved.Store(grows.last)
			at(grows.last)
		}
		if grows.still(patience) {
			return nil, nil, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil, registry.WrapError("fetch", s.ref.WithDigest(desc.Digest), ctx.Err())
		case <-time.After(claimEvery):
		}
	}
}

// turnName names the claim, and the file of the download, of content in this
// partition: what another one fetches is not here.
func (s *Store) turnName(key flightKey) string {
	sum := sha256.Sum256([]byte(s.partition + "\x00" + key.digest.String()))
	return hex.EncodeToString(sum[:]) + "." + strconv.Itoa(key.level)
}

func (s *Store) claim(name string) (claim *lockfile.Claim, err error) {
	path := s.path("locks", name)
	err = s.withParent(path, func() error {
		claim, err = lockfile.TryClaim(path)
		return err
	})
	return claim, err
}

// noLocks notes that downloads are not shared with other processes: the file
// system has no locks, or nothing can be written at all.
func (s *Store) noLocks(err error) {
	message := "cache has no locks, so what several processes ask for at once each may download"
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		message = cannotWrite
	}
	s.trouble(message, err)
}
