package cache

import (
	"context"
	"errors"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/tempfile"
	"github.com/portolan-oci/portolan/registry"
)

// Open opens content as a verified file. What is not here is fetched whole
// first, into the cache or, where that cannot be written, into a file without
// a name in [os.TempDir], never into memory. The caller closes it.
//
// Errors as for Fetch; where neither the cache nor the temporary directory has
// room, that of the latter.
func (s *Source) Open(ctx context.Context, desc ocispec.Descriptor) (content *Content, err error) {
	content, t, err := s.hitOrTurn(ctx, desc)
	if t == nil {
		return content, err
	}
	defer func() { t.end(ctx, content, err) }()
	content, err = s.download(ctx, desc, t)
	for n := 0; n < maxMirrors && errors.Is(err, registry.ErrDigestMismatch) && (n == 0 || registry.FromMirror(err)); n++ {
		t.restart()
		content, err = s.download(ctx, desc, t) // what stood between may have mangled it
	}
	return content, err
}

// maxMirrors is how many of a registry's mirrors may give wrong content before
// that is the answer.
const maxMirrors = 8

// download fetches content whole.
func (s *Source) download(ctx context.Context, desc ocispec.Descriptor, t *turn) (*Content, error) {
	body, err := s.network(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	to := s.store.newSpool(t)
	defer to.Close()
	if err := s.store.copy(ctx, to, body); err != nil {
		return nil, registry.WrapError("fetch", body.name, err)
	}
	c, err := to.content(ctx, desc)
	if err != nil {
		return nil, registry.WrapError("fetch", body.name, err)
	}
	s.settle(desc)
	return c, nil
}

// spool takes content into the cache, and moves it to a temporary file when
// the cache cannot take more. It may be changed over once, at any byte.
type spool struct {
	store *Store
	turn  *turn
	in    *ingest // nil: not into the cache
	n     int64   // bytes that are in it
	tmp   *tempfile.File
}

func (s *Store) newSpool(t *turn) *spool {
	in, err := s.newIngest(t.name)
	if err != nil {
		s.trouble(cannotWrite, err)
	}
	return &spool{store: s, turn: t, in: in}
}

func (sp *spool) Write(p []byte) (int, error) {
	sp.turn.moved(len(p))
	if sp.in != nil {
		n, err := sp.in.Write(p)
		if err == nil {
			sp.n += int64(n)
			return n, nil
		}
		sp.store.trouble(cannotWrite, err)
	}
	if err := sp.divert(); err != nil {
		return 0, err
	}
	return sp.tmp.Write(p)
}

// divert opens the temporary file and moves there what the cache has taken.
func (sp *spool) divert() error {
	if sp.tmp != nil {
		return nil
	}
	tmp, err := tempfile.New()
	if err != nil {
		return err
	}
	sp.tmp = tmp
	if sp.in == nil {
		return nil
	}
	defer func() {
		sp.in.discard()
		sp.in = nil
	}()
	_, err = io.Copy(tmp, io.NewSectionReader(sp.in, 0, sp.n))
	return err
}

// content hands out the file, which the spool then no longer closes.
func (sp *spool) content(ctx context.Context, desc ocispec.Descriptor) (*Content, error) {
	if sp.in != nil {
		c, err := sp.in.kept(ctx, desc)
		if err == nil {
			sp.in = nil
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		sp.store.trouble(cannotWrite, err)
	}
	if err := sp.divert(); err != nil {
		return nil, err
	}
	// What the failing cache gave back has not been verified.
	if err := sp.store.hash(ctx, sp.tmp, desc.Digest, desc.Size); err != nil {
		return nil, err
	}
	tmp := sp.tmp
	sp.tmp = nil
	return newContent(tmp, desc, FromNetwork), nil
}

// Close removes what content has not handed out.
func (sp *spool) Close() error {
	var err error
	if sp.in != nil {
		sp.in.discard()
	}
	if sp.tmp != nil {
		err = errors.Join(err, sp.tmp.Close())
	}
	return err
}
