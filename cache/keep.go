package cache

import (
	"context"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// keeping is content on its way from the source to the caller, of which a copy
// goes into the cache if all of it arrives and is right.
type keeping struct {
	source *Source
	ctx    context.Context
	desc   ocispec.Descriptor
	body   *arriving
	turn   *turn
	in     *ingest // nil: not, or no longer, being kept
	n      int64
	err    error
}

func (s *Source) keeping(ctx context.Context, desc ocispec.Descriptor, body *arriving, t *turn) *keeping {
	in, err := s.store.newIngest(t.name)
	if err != nil {
		s.store.trouble(cannotWrite, err)
		t.end(ctx, nil, nil) // others get nothing by waiting
	}
	return &keeping{source: s, ctx: ctx, desc: desc, body: body, turn: t, in: in}
}

// Read implements io.Reader. The verdict on the content comes with its last
// byte, so that callers who read exactly as many bytes as they expect have it,
// and fill the cache.
func (k *keeping) Read(p []byte) (int, error) {
	if k.err != nil || len(p) == 0 {
		return 0, k.err
	}
	n, err := k.body.Read(p)
	k.n += int64(n)
	k.write(p[:n])
	if err == nil && k.n == k.desc.Size {
		_, err = io.ReadFull(k.body, make([]byte, 1))
	}
	if err == io.EOF {
		k.keep()
	}
	if err != nil {
		k.drop()
	}
	k.err = err
	return n, err
}

func (k *keeping) write(p []byte) {
	if k.in == nil || len(p) == 0 {
		return
	}
	if _, err := k.in.Write(p); err != nil {
		k.source.store.trouble(cannotWrite, err)
		k.drop()
		return
	}
	k.turn.moved(len(p))
}

func (k *keeping) keep() {
	if k.in == nil {
		return
	}
	c, err := k.in.kept(k.ctx, k.desc)
	if err != nil {
		k.source.store.trouble(cannotWrite, err)
		return
	}
	k.in = nil
	k.source.settle(k.desc)
	k.turn.end(k.ctx, c, nil)
	c.Close() // nobody has read it through this
}

// drop gives up to keep it. Whoever waited for it fetches it himself: the reader
// may have lost interest, or the cache cannot take it.
func (k *keeping) drop() {
	if k.in != nil {
		k.in.discard()
		k.in = nil
	}
	k.turn.end(k.ctx, nil, nil)
}

// Close ends the transfer. What did not arrive whole is not kept.
func (k *keeping) Close() error {
	k.drop()
	return k.body.Close()
}
