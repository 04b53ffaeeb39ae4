package chart_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// numbered gives each request its number, by which faults are aimed, and counts
// the bytes of blobs that arrive.
type numbered struct {
	http.Transport     // of its own: no connection is one that an earlier fault has broken
	trial          int // a request of an earlier one, given up, may still arrive
	n              atomic.Int64
	blobs          atomic.Int64
}

const numberHeader = "X-Number"

func (t *numbered) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set(numberHeader, aim(t.trial, t.n.Add(1)))
	resp, err := t.Transport.RoundTrip(req)
	if err == nil && req.Method == http.MethodGet && resp.StatusCode < 300 && strings.Contains(req.URL.Path, "/blobs/") {
		resp.Body = &numberedBody{resp.Body, &t.blobs}
	}
	return resp, err
}

// aim is the number of a request of a trial.
func aim(trial int, k int64) string { return fmt.Sprintf("%d-%d", trial, k) }

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
	trials         int
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
