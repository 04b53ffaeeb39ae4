package crowd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/internal/slowlink"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// stage is a registry with one chart, behind a link.
type stage struct {
	server *registrytest.Server
	link   *slowlink.Link
	work   string
	layer  string // its SHA-256 in hex
}

func newStage(ctx context.Context, plan Plan) (*stage, error) {
	work, err := os.MkdirTemp(plan.Work, "crowd-*")
	if err != nil {
		return nil, err
	}
	s := &stage{work: work, server: registrytest.New(&registrytest.Options{Latency: plan.Latency})}
	if s.link, err = slowlink.New(s.server.Host, plan.Rate); err == nil {
		err = s.push(ctx, plan.Size)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) close() {
	if s.link != nil {
		s.link.Close()
	}
	s.server.Close()
	os.RemoveAll(s.work)
}

const repository = "fleet/cargo"

// push makes a chart of about that many bytes, none of which compress, and puts
// it there: past the link.
func (s *stage) push(ctx context.Context, size int64) error {
	dir := filepath.Join(s.work, "cargo")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "Chart.yaml"), []byte("apiVersion: v2\nname: cargo\nversion: 1.0.0\n"), 0o644); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "hold.bin"))
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{2}), size)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	packed, err := chart.Pack(ctx, dir, &chart.PackOptions{
		PackageOptions: chart.PackageOptions{Limits: chart.Limits{File: size + 1}},
	})
	if err != nil {
		return err
	}
	defer packed.Close()
	s.layer = packed.Layer.Digest.Encoded()
	registries, err := registry.NewClient(nil)
	if err != nil {
		return err
	}
	client, err := chart.NewClient(&chart.ClientOptions{Registry: registries, Cache: cache.None()})
	if err != nil {
		return err
	}
	ref, err := registry.ParseReference(s.server.Host + "/" + repository)
	if err != nil {
		return err
	}
	_, err = client.Push(ctx, packed, ref, chart.PushOptions{})
	return err
}

// cost is what the registry has been asked for since the last Reset.
func (s *stage) cost() (blobs, requests int) {
	for _, r := range s.server.Requests() {
		requests++
		if r.Method == "GET" && strings.Contains(r.Path, "/blobs/") {
			blobs++
		}
	}
	return blobs, requests
}

// gather lets processes with so many goroutines each ask for the chart at the
// same moment, through a cache that is empty, and adds up what they met.
func (s *stage) gather(ctx context.Context, plan Plan, goroutines []int) (g Gathering, err error) {
	dir, err := os.MkdirTemp(s.work, "cache-*")
	if err != nil {
		return g, err
	}
	defer os.RemoveAll(dir)
	var all []*process
	defer func() {
		for _, p := range all {
			if cerr := p.close(); err == nil {
				err = cerr
			}
		}
	}()
	for _, n := range goroutines {
		p, err := start(ctx, order{
			Reference: s.link.Host() + "/" + repository + ":1.0.0", Cache: dir, Layer: s.layer, Goroutines: n,
		}, plan.Args)
		if err != nil {
			return g, err
		}
		all = append(all, p)
	}
	s.server.Reset()
	begin := time.Now().Add(50 * time.Millisecond)
	for _, p := range all {
		if err := p.tell(begin); err != nil {
			return g, err
		}
	}
	for _, p := range all {
		var answers []answer
		if err := p.results.Decode(&answers); err != nil {
			return g, fmt.Errorf("process of the crowd: %w", err)
		}
		g.add(answers)
	}
	g.BlobRequests, g.Requests = s.cost()
	for _, p := range all {
		var wrong int
		if err := p.tell("check"); err != nil {
			return g, err
		}
		if err := p.results.Decode(&wrong); err != nil {
			return g, fmt.Errorf("process of the crowd: %w", err)
		}
		g.Wrong += wrong
	}
	return g, nil
}

func sum(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
