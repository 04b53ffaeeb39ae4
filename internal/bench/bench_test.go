package bench_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/internal/bench"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

func BenchmarkPull(b *testing.B) {
	b.Run("cold", func(b *testing.B) {
		each(b, func(b *testing.B, p pier) {
			p.push(b, "stock")
			p.measure(b, func(int) bench.Task {
				return bench.Task{Op: bench.OpPull, Ref: p.ref("stock"), Cache: p.empty(b, "cache")}
			})
		})
	})
	b.Run("warm", func(b *testing.B) {
		each(b, func(b *testing.B, p pier) {
			p.push(b, "stock")
			cache := b.TempDir()
			p.measure(b, func(int) bench.Task {
				return bench.Task{Op: bench.OpPull, Ref: p.ref("stock"), Cache: cache}
			})
		})
	})
	b.Run("file", func(b *testing.B) {
		each(b, func(b *testing.B, p pier) {
			p.push(b, "stock")
			p.measure(b, func(int) bench.Task {
				return bench.Task{Op: bench.OpSave, Ref: p.ref("stock"), Cache: p.empty(b, "cache"), Dest: p.empty(b, "dest")}
			})
		})
	})
}

func BenchmarkPush(b *testing.B) {
	b.Run("new", func(b *testing.B) {
		each(b, func(b *testing.B, p pier) {
			p.measure(b, func(n int) bench.Task {
				return bench.Task{Op: bench.OpPush, Archive: p.chart.Archive, Ref: p.ref(fmt.Sprintf("new-%d", n))}
			})
		})
	})
	b.Run("again", func(b *testing.B) {
		each(b, func(b *testing.B, p pier) {
			p.measure(b, func(int) bench.Task {
				return bench.Task{Op: bench.OpPush, Archive: p.chart.Archive, Ref: p.ref("again")}
			})
		})
	})
}

func BenchmarkPackage(b *testing.B) {
	for _, chart := range charts(b) {
		b.Run("chart="+chart.Label, func(b *testing.B) {
			with(b, func(b *testing.B, c bench.Contender) {
				p := pier{contender: c, chart: chart, dir: b.TempDir()}
				p.measure(b, func(int) bench.Task {
					return bench.Task{Op: bench.OpPackage, Dir: chart.Dir, Dest: p.empty(b, "dest")}
				})
			})
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, op := range []string{bench.OpLoad, bench.OpUnpack} {
		for _, chart := range charts(b) {
			b.Run(op+"/chart="+chart.Label, func(b *testing.B) {
				with(b, func(b *testing.B, c bench.Contender) {
					if _, ok := c.(bench.Reader); !ok {
						b.Skip("looks into no archive")
					}
					p := pier{contender: c, chart: chart, dir: b.TempDir()}
					p.measure(b, func(int) bench.Task {
						return bench.Task{Op: op, Archive: chart.Archive, Dest: p.empty(b, "dest")}
					})
				})
			})
		}
	}
}

// pier is where one contender handles one chart.
type pier struct {
	contender bench.Contender
	chart     bench.Chart
	server    *registrytest.Server // nil where none is needed
	dir       string
}

// each runs f for all contenders, charts and latencies, each with a registry
// of its own: what was pushed there is gone afterwards.
func each(b *testing.B, f func(*testing.B, pier)) {
	for _, chart := range charts(b) {
		for _, latency := range []time.Duration{0, 20 * time.Millisecond} {
			b.Run(fmt.Sprintf("chart=%s/latency=%s", chart.Label, latency), func(b *testing.B) {
				with(b, func(b *testing.B, c bench.Contender) {
					server := registrytest.New(&registrytest.Options{Latency: latency})
					defer server.Close()
					f(b, pier{c, chart, server, b.TempDir()})
				})
			})
		}
	}
}

func with(b *testing.B, f func(*testing.B, bench.Contender)) {
	home := b.TempDir()
	b.Setenv("DOCKER_CONFIG", home)
	for _, name := range bench.Names() {
		b.Run("with="+name, func(b *testing.B) {
			c, err := bench.New(name, home)
			if err != nil {
				b.Fatal(err)
			}
			f(b, c)
		})
	}
}

func charts(b *testing.B) []bench.Chart {
	small, err := bench.SmallChart(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	large, err := bench.LargeChart(b.TempDir(), 20)
	if err != nil {
		b.Fatal(err)
	}
	return []bench.Chart{small, large}
}

func (p pier) ref(repository string) string {
	return p.server.Host + "/" + repository + "/" + p.chart.Name + ":" + p.chart.Version
}

// push puts the chart there, as it is for all.
func (p pier) push(b *testing.B, repository string) {
	c, err := bench.New("portolan", "")
	if err == nil {
		err = c.Push(b.Context(), p.chart.Archive, p.ref(repository))
	}
	if err != nil {
		b.Fatal(err)
	}
}

// empty empties a directory, off the clock.
func (p pier) empty(b *testing.B, name string) string {
	dir := filepath.Join(p.dir, name)
	if err := os.RemoveAll(dir); err != nil {
		b.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	return dir
}

// measure runs the tasks that next makes, the first of which does not count,
// and reports what each took on the wire.
func (p pier) measure(b *testing.B, next func(n int) bench.Task) {
	run := func(task bench.Task) {
		if _, err := task.Run(b.Context(), p.contender); err != nil {
			b.Fatal(err)
		}
	}
	run(next(0))
	if p.server != nil {
		p.server.Reset()
	}
	n := 0
	for b.Loop() {
		b.StopTimer()
		n++
		task := next(n)
		b.StartTimer()
		run(task)
	}
	if p.server != nil {
		cost := p.server.Cost()
		b.ReportMetric(float64(cost.Requests)/float64(n), "requests/op")
		b.ReportMetric(float64(cost.Received+cost.Sent)/float64(n), "wire-B/op")
	}
}
