//go:build race

package cache_test

// sparse is how many of the many points of a test are passed over for one that
// is tried. The race detector looks for races, for which the place of a byte or
// of a call does not matter, and makes all take ten times as long.
const sparse = 10
