//go:build !linux

package cache_test

import "testing"

func benchOpened(tb testing.TB, _ string) func() []string {
	tb.Helper()
	tb.Skip("needs inotify; CI runs this on Linux")
	return nil
}

// benchCounting counts on Linux alone.
func benchCounting(*testing.B) (report func()) { return func() {} }
