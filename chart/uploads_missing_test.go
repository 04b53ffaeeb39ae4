package chart_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// uploadsLiar stands before a registry and says that it has what it has not,
// as one does whose garbage was collected behind its cache. What it drops, it
// takes and forgets.
type uploadsLiar struct {
	http.Handler
	heads, puts atomic.Int64
	drops       bool
}

func uploadsLying(t *testing.T, h *harbour, sizes ...ocispec.Descriptor) (*uploadsLiar, registry.Reference) {
	t.Helper()
	u, err := url.Parse(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	size := map[string]ocispec.Descriptor{}
	for _, d := range sizes {
		size[string(d.Digest)] = d
	}
	proxy := httputil.NewSingleHostReverseProxy(u)
	l := new(uploadsLiar)
	l.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		d, ok := size[req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:]]
		if req.Method == http.MethodHead && ok {
			l.heads.Add(1)
			w.Header().Set("Content-Length", fmt.Sprint(d.Size))
			w.Header().Set("Content-Type", d.MediaType)
			w.Header().Set("Docker-Content-Digest", string(d.Digest))
			return
		}
		if req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/uploads/") {
			l.puts.Add(1)
			if l.drops {
				w.WriteHeader(http.StatusCreated)
				return
			}
		}
		proxy.ServeHTTP(w, req)
	})
	s := httptest.NewServer(l)
	t.Cleanup(s.Close)
	return l, registry.Reference{Host: strings.TrimPrefix(s.URL, "http://"), Repository: "mirror/voyage"}
}

func TestUploadsHealAPush(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	packed := voyage(t, "1.0.0", noise(400<<10)...)
	liar, ref := uploadsLying(t, h, packed.Layer)
	pushed, err := h.client.Push(t.Context(), packed, ref, chart.PushOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if total := packed.Layer.Size + packed.Config.Size*2 + packed.Manifest.Size; liar.heads.Load() != 1 || pushed.Sent != total {
		t.Errorf("%d questions, %d bytes sent, want 1 and %d", liar.heads.Load(), pushed.Sent, total)
	}
	pulled := h.pull(t, h.client, registry.Reference{Host: h.Host, Repository: ref.Repository, Tag: "1.0.0"}, chart.PullOptions{})
	if pulled.Origin.Resolved.Digest != packed.Manifest.Digest {
		t.Errorf("pulled %+v", pulled.Origin)
	}
}

func TestUploadsHealOnce(t *testing.T) {
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	packed := voyage(t, "1.0.0")
	liar, ref := uploadsLying(t, h)
	liar.drops = true
	_, err := h.client.Push(t.Context(), packed, ref, chart.PushOptions{})
	if _, ok := errors.AsType[*registry.MissingError](err); !ok {
		t.Errorf("error = %v", err)
	}
	if n := liar.puts.Load(); n != 4 {
		t.Errorf("%d blobs were sent, want 4", n)
	}
}

func TestUploadsHealACopy(t *testing.T) {
	ctx := t.Context()
	from := newHarbour(t, registrytest.Options{}, cache.Policy{})
	one, two := voyage(t, "1.0.0"), voyage(t, "2.0.0")
	from.index(t, "both", from.put(t, one), from.put(t, two))
	from.push(t, "1.0.0")
	for _, tag := range []string{"1.0.0", "both"} {
		t.Run(tag, func(t *testing.T) {
			h := newHarbour(t, registrytest.Options{}, cache.Policy{})
			all := append(one.Descriptors(), two.Descriptors()...)
			liar, ref := uploadsLying(t, h, all...)
			copied, err := from.client.Copy(ctx, from.from(t, from.repo.WithTag(tag)), from.to(t, ref.WithTag(tag)), chart.CopyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if liar.heads.Load() == 0 {
				t.Error("nobody was lied to")
			}
			if copied.Existed != 0 || copied.Sent == 0 {
				t.Errorf("%+v", copied)
			}
			repo := &harbour{Server: h.Server, repo: registry.Reference{Host: h.Host, Repository: ref.Repository}}
			whole(t, repo.repository(t), one.Manifest)
			if tag == "both" {
				whole(t, repo.repository(t), two.Manifest)
			}
		})
	}
}
