package classic

import (
	"context"
	"errors"
	"time"

	"github.com/portolan-oci/portolan/internal/patience"
	"github.com/portolan-oci/portolan/registry"
)

// silence is how long a server may take to begin its answer where the kept
// index could be used in its place. How long the index itself takes does not
// matter: some have tens of megabytes.
const silence = 5 * time.Second

// respite is for how long a server that did not answer is not asked again: each
// chart that is looked up would wait for it anew.
const respite = 30 * time.Second

// bridgeable tells whether an index may be used that its server does not confirm.
func (r *Repository) bridgeable(from *loaded) bool {
	if from == nil || r.root != nil {
		return false
	}
	age := time.Since(from.confirmed)
	return age >= 0 && age < r.options.StaleIfError
}

// bridges tells whether it is used in place of err.
func (r *Repository) bridges(from *loaded, err error) bool {
	silent := errors.Is(err, registry.ErrUnavailable) || errors.Is(err, registry.ErrRateLimited) || errors.Is(err, patience.ErrOver)
	return silent && r.bridgeable(from)
}

// patiently is download, which gives up a silent server where from could do.
func (r *Repository) patiently(ctx context.Context, from *loaded) (answer *loaded, err error) {
	if !r.bridgeable(from) {
		return r.download(ctx, from, func() {})
	}
	err = patience.Bound(ctx, silence, func(ctx context.Context, timer *time.Timer) error {
		answer, err = r.download(ctx, from, func() { timer.Stop() })
		return err
	})
	return answer, err
}

// respites tells that the server did not answer a moment ago, and that the index
// in use still stands in for it.
func (r *Repository) respites() bool { return time.Since(r.asked) < respite && r.bridgeable(r.current) }
