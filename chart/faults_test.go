package chart_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
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
	slow  bool // it takes its time: the first request alone fails
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

// numbered gives each request its number, by which faults are aimed, and counts
// the bytes of blobs that arrive.
type numbered struct {
	http.Transport // of its own: no connection is one that an earlier fault has broken
	n              atomic.Int64
	blobs          atomic.Int64
}

const numberHeader = "X-Number"

func (t *numbered) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set(numberHeader, fmt.Sprint(t.n.Add(1)))
	resp, err := t.Transport.RoundTrip(req)
	if err == nil && req.Method == http.MethodGet && resp.StatusCode < 300 && strings.Contains(req.URL.Path, "/blobs/") {
		resp.Body = &numberedBody{resp.Body, &t.blobs}
	}
	return resp, err
}

type numberedBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *numberedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// matrix is what the operations work on: a registry that fails and one that
// does not, both with the same chart.
type matrix struct {
	failing, sound *registrytest.Server
	packed         *chart.Packed
	archive        []byte
	tries          int // names what is written anew each time
}

// operation is one of those of the table.
type operation struct {
	name string
	// run does it, with a client of the failing registry, and returns what tells
	// whether it is right.
	run func(ctx context.Context, m *matrix, client *chart.Client) (got []byte, err error)
	// blobs is how many bytes of blobs it fetches.
	blobs func(m *matrix) int64
}

func (m *matrix) ref(s *registrytest.Server, repository string) registry.Reference {
	return registry.Reference{Host: s.Host, Repository: repository, Tag: "1.2.3"}
}

// fresh is a repository that nobody has written to.
func (m *matrix) fresh(s *registrytest.Server) registry.Reference {
	m.tries++
	return m.ref(s, fmt.Sprintf("try%d/voyage", m.tries))
}

// stored is the archive as it arrived at a registry.
func (m *matrix) stored(ctx context.Context, ref registry.Reference) ([]byte, error) {
	transport := new(numbered)
	defer transport.CloseIdleConnections()
	client, err := matrixClient(transport)
	if err != nil {
		return nil, err
	}
	return pullAll(ctx, client, ref)
}

func pullAll(ctx context.Context, client *chart.Client, ref registry.Reference) ([]byte, error) {
	pulled, err := client.Pull(ctx, ref, chart.PullOptions{})
	if err != nil {
		return nil, err
	}
	defer pulled.Close()
	return io.ReadAll(pulled.Archive.Reader())
}

var operations = []operation{
	{"resolve", func(ctx context.Context, m *matrix, client *chart.Client) ([]byte, error) {
		r, err := client.Resolve(ctx, m.ref(m.failing, "team/voyage"), chart.Selector{})
		if err != nil || r.Reference.Digest != m.packed.Manifest.Digest {
			return nil, err
		}
		return m.archive, nil
	}, func(*matrix) int64 { return 0 }},
	{"versions", func(ctx context.Context, m *matrix, client *chart.Client) ([]byte, error) {
		var all []string
		for v, err := range client.Versions(ctx, m.ref(m.failing, "team/voyage").Repo(), chart.VersionOptions{}) {
			if err != nil {
				return nil, err
			}
			all = append(all, v.Tag)
		}
		if !slices.Equal(all, []string{"1.2.3", "1.2.2", "1.2.1"}) {
			return []byte(fmt.Sprint(all)), nil
		}
		return m.archive, nil
	}, func(*matrix) int64 { return 0 }},
	{"pull", func(ctx context.Context, m *matrix, client *chart.Client) ([]byte, error) {
		return pullAll(ctx, client, m.ref(m.failing, "team/voyage"))
	}, func(m *matrix) int64 { return m.packed.Layer.Size }},
	{"push", func(ctx context.Context, m *matrix, client *chart.Client) ([]byte, error) {
		ref := m.fresh(m.failing)
		if _, err := client.Push(ctx, m.packed, ref, chart.PushOptions{}); err != nil {
			return nil, err
		}
		return m.stored(ctx, ref)
	}, func(*matrix) int64 { return 0 }},
	{"copy from it", func(ctx context.Context, m *matrix, client *chart.Client) ([]byte, error) {
		to := m.fresh(m.sound)
		if err := copyChart(ctx, client, m.ref(m.failing, "team/voyage"), to); err != nil {
			return nil, err
		}
		return m.stored(ctx, to)
	}, func(m *matrix) int64 { return m.packed.Layer.Size + m.packed.Config.Size }},
	{"copy to it", func(ctx context.Context, m *matrix, client *chart.Client) ([]byte, error) {
		to := m.fresh(m.failing)
		if err := copyChart(ctx, client, m.ref(m.sound, "team/voyage"), to); err != nil {
			return nil, err
		}
		return m.stored(ctx, to)
	}, func(m *matrix) int64 { return -1 }}, // what is sent again is fetched again
}

func copyChart(ctx context.Context, client *chart.Client, from, to registry.Reference) error {
	src, err := client.CopyFrom(from)
	if err != nil {
		return err
	}
	dst, err := client.CopyTo(to)
	if err != nil {
		return err
	}
	_, err = client.Copy(ctx, src, dst, chart.CopyOptions{})
	return err
}

func matrixClient(transport http.RoundTripper) (*chart.Client, error) {
	r, err := registry.NewClient(&registry.Options{Transport: transport, Retry: soon})
	if err != nil {
		return nil, err
	}
	return chart.NewClient(&chart.ClientOptions{Registry: r})
}

// TestFaultMatrix lets each request of each operation fail in each way at each
// point, once and for ever, and holds what comes of it to docs/failures.md.
// What recovers gives the right bytes, and of what was fetched once nothing
// again; all else ends within the deadline.
func TestFaultMatrix(t *testing.T) {
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
	var page strings.Builder
	for _, op := range operations {
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
	}
	checkFailures(t, page.String())
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
	aims, deadline := clean.sent, matrixDeadline
	if kind.slow {
		aims = 1
	}
	if fault.Stall {
		deadline = shortDeadline
	}
	var outcomes []string
	for k := range aims {
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
		return "recovers"
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
	requests int    // that came to the failing registry
	blobs    int64  // bytes
	struck   bool
}

// try runs an operation while its kth request fails; 0: none; -1: all.
func (m *matrix) try(t *testing.T, op operation, k int64, fault *registrytest.Faults, deadline time.Duration) tried {
	t.Helper()
	f := *fault
	f.Match = func(req *http.Request) bool { return k < 0 || req.Header.Get(numberHeader) == fmt.Sprint(k) }
	transport := new(numbered)
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
	r := tried{sent: transport.n.Load(), blobs: transport.blobs.Load(), requests: m.failing.Cost().Requests,
		struck: slices.ContainsFunc(m.failing.Requests(), func(r registrytest.Request) bool { return r.Failed })}
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
