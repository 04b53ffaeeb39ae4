// Package heap measures what tests of memory bounds need.
package heap

import (
	"runtime"
	"time"
)

// Growth runs f and returns by how many bytes the live and not yet collected
// heap of the process grew at most, looked at every 2 ms.
func Growth(f func()) int64 {
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var top uint64
		for {
			runtime.ReadMemStats(&now)
			top = max(top, now.HeapAlloc)
			select {
			case <-stop:
				peak <- top
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	f()
	close(stop)
	return int64(<-peak) - int64(before.HeapAlloc)
}
