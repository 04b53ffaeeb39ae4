package cache_test

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/internal/opens"
)

// benchOpened returns what tells which files were opened beneath dir since it
// was last called.
func benchOpened(tb testing.TB, dir string) func() []string {
	tb.Helper()
	w, err := opens.Watch(dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { w.Close() })
	return func() []string {
		tb.Helper()
		all, err := w.Opened()
		if err != nil {
			tb.Fatal(err)
		}
		return all
	}
}

// benchCounting returns what reports, at the end of a benchmark's loop, how many
// system calls that read and write each operation took, and how much time of the
// processors, which on a busy machine says more than the clock.
func benchCounting(b *testing.B) (report func()) {
	b.Helper()
	reads, writes := benchCalls(b)
	cpu := benchProcessor()
	return func() {
		r, w := benchCalls(b)
		b.ReportMetric(float64((benchProcessor()-cpu).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		b.ReportMetric(float64(r-reads)/float64(b.N), "reads/op")
		b.ReportMetric(float64(w-writes)/float64(b.N), "writes/op")
	}
}

// benchCalls reads what proc_pid_io(5) calls syscr and syscw.
func benchCalls(tb testing.TB) (reads, writes int64) {
	tb.Helper()
	data, err := os.ReadFile("/proc/self/io")
	if err != nil {
		tb.Skip(err) // a kernel without it
	}
	for line := range bytes.Lines(data) {
		fmt.Sscanf(string(line), "syscr: %d", &reads)
		fmt.Sscanf(string(line), "syscw: %d", &writes)
	}
	return reads, writes
}

func benchProcessor() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
