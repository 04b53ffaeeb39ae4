package chart_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// failuresPage holds the table that TestFaultMatrix makes.
const failuresPage = "../docs/failures.md"

var writeFailures = flag.Bool("write-failures", false, "write the table of docs/failures.md")

// faultKinds are the rows: ways to fail, of one request.
var faultKinds = []faultKind{
	{name: "connection closed", fault: registrytest.Faults{Cut: true}},
	{name: "connection reset", fault: registrytest.Faults{Reset: true}},
	{name: "body ends early, as if whole", fault: registrytest.Faults{Truncate: true, NoLength: true}},
	{name: "wrong bytes", fault: registrytest.Faults{Corrupt: true}},
	{name: "nothing comes", fault: registrytest.Faults{Stall: true}, slow: true},
	{name: "web page with 200", fault: registrytest.Faults{HTML: true}},
	{name: "500", fault: registrytest.Faults{Status: 500, Code: "UNKNOWN"}},
	{name: "503, Retry-After: 0", fault: registrytest.Faults{Status: 503, Header: registrytest.RetryAfter(0)}},
	{name: "429", fault: registrytest.Faults{Status: 429, Code: "TOOMANYREQUESTS"}},
	{name: "429, Retry-After: 1", fault: registrytest.Faults{Status: 429, Header: registrytest.RetryAfter(time.Second)}, slow: true},
	{name: "404", fault: registrytest.Faults{Status: 404, Code: "NAME_UNKNOWN"}},
	{name: "403", fault: registrytest.Faults{Status: 403, Code: "DENIED"}},
}

type faultKind struct {
	name  string
	fault registrytest.Faults
	slow  bool // it takes its time: one request alone fails
}

// faultPoints are the columns: where in the exchange.
var faultPoints = []struct {
	name string
	at   registrytest.Point
}{
	{"before headers", registrytest.BeforeHeaders},
	{"in the request's body", registrytest.MidUpload},
	{"done, not answered", registrytest.BeforeAnswer},
	{"in the body", registrytest.MidBody},
	{"at the last byte", registrytest.LastByte},
}

// faultSentinels name how an operation can end.
var faultSentinels = []struct {
	err  error
	name string
}{
	{registry.ErrDigestMismatch, "`ErrDigestMismatch`"},
	{registry.ErrRateLimited, "`ErrRateLimited`"},
	{registry.ErrDenied, "`ErrDenied`"},
	{registry.ErrNotFound, "`ErrNotFound`"},
	{registry.ErrUnavailable, "`ErrUnavailable`"},
	{context.DeadlineExceeded, "deadline"},
}

// TestFaultMatrix lets each request of each operation fail in each way at each
// point, once and for ever, and holds what comes of it to docs/failures.md.
// What recovers gives the right bytes, and of what was fetched once nothing
// again; all else ends within the deadline.
func TestFaultMatrix(t *testing.T) {
	tables := make([]string, len(operations))
	t.Run("of", func(t *testing.T) {
		for i, op := range operations {
			t.Run(op.name, func(t *testing.T) {
				t.Parallel()
				tables[i] = newMatrix(t).table(t, op)
			})
		}
	})
	checkFailures(t, strings.Join(tables, ""))
}

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := &matrix{failing: registrytest.New(&registrytest.Options{PageSize: 2}), sound: registrytest.New(nil)}
	t.Cleanup(m.failing.Close)
	t.Cleanup(m.sound.Close)
	m.packed = voyage(t, "1.2.3", noise(200<<10)...) // net/http reads 256 KiB of what it refuses, so that its answer is not lost in a reset
	client, err := matrixClient(http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	for _, packed := range []*chart.Packed{m.packed, voyage(t, "1.2.1"), voyage(t, "1.2.2")} {
		for _, s := range []*registrytest.Server{m.failing, m.sound} {
			if _, err := client.Push(t.Context(), packed, m.ref(s, "team/voyage").Repo(), chart.PushOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if m.archive, err = m.stored(t.Context(), m.ref(m.sound, "team/voyage")); err != nil {
		t.Fatal(err)
	}
	return m
}

// table is the part of the page about one operation.
func (m *matrix) table(t *testing.T, op operation) string {
	var page strings.Builder
	fmt.Fprintf(&page, "\n### %s\n\n| fault |", op.name)
	for _, p := range faultPoints {
		page.WriteString(" " + p.name + " |")
	}
	page.WriteString(" every time |\n|---|" + strings.Repeat("---|", len(faultPoints)+1) + "\n")
	for _, kind := range faultKinds {
		page.WriteString("| " + kind.name + " |")
		for _, point := range faultPoints {
			page.WriteString(" " + m.cell(t, op, kind, point.at) + " |")
		}
		page.WriteString(" " + m.lasting(t, op, kind) + " |\n")
	}
	return page.String()
}

// cell lets each request fail once and says what came of it.
func (m *matrix) cell(t *testing.T, op operation, kind faultKind, at registrytest.Point) string {
	fault := kind.fault
	spoils := fault.Truncate || fault.Corrupt
	if spoils && at < registrytest.MidBody || fault.Stall && at != registrytest.BeforeHeaders ||
		(fault.Status != 0 || fault.HTML) && at != registrytest.BeforeHeaders && at != registrytest.BeforeAnswer {
		return "–"
	}
	fault.At, fault.Times = at, 1
	clean := m.try(t, op, 0, &fault, matrixDeadline)
	if clean.outcome != "" {
		t.Fatalf("%s without a fault: %+v", op.name, clean)
	}
	deadline := matrixDeadline
	if fault.Stall {
		deadline = shortDeadline
	}
	var outcomes []string
	for k := range clean.sent {
		got := m.try(t, op, k+1, &fault, deadline)
		if !got.struck || got.outcome == "" && got.requests <= clean.requests {
			continue // the request has no such point
		}
		what := got.outcome
		if what == "" {
			what = "recovers"
			if extra := got.requests - clean.requests; extra > maxExtra {
				t.Errorf("%s, %s at request %d: %d requests more", op.name, kind.name, k+1, extra)
			}
			if want := op.blobs(m); want >= 0 && !fault.Corrupt && got.blobs != want {
				t.Errorf("%s, %s at request %d: %d bytes of blobs came, want %d", op.name, kind.name, k+1, got.blobs, want)
			}
		}
		if !slices.Contains(outcomes, what) {
			outcomes = append(outcomes, what)
		}
		if kind.slow {
			break
		}
	}
	if outcomes == nil {
		return "–"
	}
	slices.Sort(outcomes)
	return strings.Join(outcomes, ", ")
}

// lasting lets every request fail and says what the operation ends with.
func (m *matrix) lasting(t *testing.T, op operation, kind faultKind) string {
	fault := kind.fault
	if fault.Truncate || fault.Corrupt {
		fault.At = registrytest.MidBody
	}
	deadline := matrixDeadline
	if kind.slow {
		deadline = shortDeadline
	}
	start := time.Now()
	got := m.try(t, op, -1, &fault, deadline)
	if took := time.Since(start); took > deadline+2*time.Second {
		t.Errorf("%s, %s every time: took %s", op.name, kind.name, took)
	}
	if got.outcome == "" {
		return "–" // the operation has no such point
	}
	return got.outcome
}

// maxExtra is how many requests more the failure of one costs: an upload that
// is given up, begun anew, and looked for between.
const maxExtra = 4

// What an operation has. What stands still is ended by nothing else here.
const (
	matrixDeadline = 20 * time.Second
	shortDeadline  = 500 * time.Millisecond
)

type tried struct {
	outcome  string // empty: right
	sent     int64  // requests of the client
	requests int    // of the client that came to the failing registry
	blobs    int64  // bytes
	struck   bool
}

// try runs an operation while its kth request fails; 0: none; -1: all.
func (m *matrix) try(t *testing.T, op operation, k int64, fault *registrytest.Faults, deadline time.Duration) tried {
	t.Helper()
	f := *fault
	m.trials++
	trial := m.trials
	f.Match = func(req *http.Request) bool {
		number := req.Header.Get(numberHeader)
		return number == aim(trial, k) || k < 0 && strings.HasPrefix(number, fmt.Sprint(trial, "-"))
	}
	transport := &numbered{trial: m.trials}
	defer transport.CloseIdleConnections()
	client, err := matrixClient(transport)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	m.failing.SetFaults(&f)
	m.failing.Reset()
	got, err := op.run(ctx, m, client)
	r := tried{sent: transport.n.Load(), blobs: transport.blobs.Load()}
	for _, req := range m.failing.Requests() {
		if of, _, _ := strings.Cut(req.Header(numberHeader), "-"); of != fmt.Sprint(trial) {
			continue // what the trial before gave up may arrive late
		}
		r.requests++
		r.struck = r.struck || req.Failed
	}
	m.failing.SetFaults()
	if err == nil && bytes.Equal(got, m.archive) {
		return r
	}
	if err == nil && fault.Corrupt && op.name == "versions" {
		r.outcome = "not noticed"
		return r
	}
	r.outcome = "other"
	for _, s := range faultSentinels {
		if errors.Is(err, s.err) {
			r.outcome = s.name
			break
		}
	}
	if r.outcome == "other" {
		t.Errorf("%s, request %d, %s%+v: %v, %.100q", op.name, k, kindOf(fault), f.At, err, got)
	}
	return r
}

func kindOf(f *registrytest.Faults) string {
	return fmt.Sprintf("cut %t, reset %t, status %d, at ", f.Cut, f.Reset, f.Status)
}

// checkFailures holds the table to the page, or writes it there.
func checkFailures(t *testing.T, table string) {
	const begin, end = "<!-- table: begin -->\n", "<!-- table: end -->"
	data, err := os.ReadFile(failuresPage)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(data), begin)
	old, tail, also := strings.Cut(rest, end)
	if !ok || !also {
		t.Fatalf("%s has no table", failuresPage)
	}
	if *writeFailures {
		if err := os.WriteFile(failuresPage, []byte(head+begin+table+"\n"+end+tail), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, got := strings.Split(strings.TrimSpace(old), "\n"), strings.Split(strings.TrimSpace(table), "\n")
	for i := range max(len(want), len(got)) {
		w, g := "", ""
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			t.Errorf("%s says\n\t%s\nand it is\n\t%s", failuresPage, w, g)
		}
	}
}
