//go:build !race

package cache_test

// sparse is how many of the many points of a test are passed over for one that
// is tried, and 1: all of them are.
const sparse = 1
