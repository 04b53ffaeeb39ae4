package cache

import "errors"

// ErrNotCached: an answer would need the source, and the policy is offline.
// What else matches registry.ErrNotFound is not there; of this, nobody was
// asked.
var ErrNotCached = errors.New("the cache does not have it, and was asked offline")
