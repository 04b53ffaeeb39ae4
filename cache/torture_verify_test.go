package cache_test

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/cache"
)

// verify finds nothing that is bad: a kill leaves unfinished files, which are
// no faults. What was promised may have been given up meanwhile.
func (w *tortureWorker) verify(ctx context.Context) error {
	for fault, err := range w.store.Verify(ctx, cache.VerifyOptions{KeepBad: w.lots.IntN(2) == 0}) {
		if err != nil {
			return err
		}
		if w.Spoiled {
			continue
		}
		if fault.Kind == cache.FaultContent && fault.Reference.Tag != "" {
			now, err := w.journal().standing()
			if err != nil {
				return err
			}
			if !promisedTag(now, fault.Reference.Tag) {
				continue
			}
		}
		return fmt.Errorf("verify: %+v", fault)
	}
	return nil
}

func promisedTag(promises map[torturePromise]digest.Digest, tag string) bool {
	for p := range promises {
		if p.tag == tag {
			return true
		}
	}
	return false
}
