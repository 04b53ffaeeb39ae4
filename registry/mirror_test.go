package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// fleet is an origin with one artifact, and mirrors of it.
type fleet struct {
	origin          *registrytest.Server
	mirrors         []*registrytest.Server
	manifest, layer ocispec.Descriptor
	content         []byte
}

func newFleet(t *testing.T, size int, mirrors ...*registrytest.Options) *fleet {
	t.Helper()
	f := &fleet{origin: server(t, nil), content: filler(size)}
	f.manifest, f.layer = artifact(t, repository(t, f.origin, nil), "1", string(f.content))
	for _, o := range mirrors {
		o.Upstream = f.origin.URL
		f.mirrors = append(f.mirrors, server(t, o))
	}
	f.origin.Reset()
	return f
}

// filler is content that does not repeat itself.
func filler(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// repo reads the origin's repository through the mirrors, as change says.
func (f *fleet) repo(t *testing.T, change func(*registry.Mirror)) *registry.Repository {
	t.Helper()
	return repository(t, f.origin, &registry.Options{Hosts: func(host string) (registry.HostConfig, error) {
		var c registry.HostConfig
		if host != f.origin.Host {
			return c, nil
		}
		for _, m := range f.mirrors {
			mirror := registry.Mirror{Host: m.Host}
			if change != nil {
				change(&mirror)
			}
			c.Mirrors = append(c.Mirrors, mirror)
		}
		return c, nil
	}})
}

func fetchAll(ctx context.Context, repo *registry.Repository, desc ocispec.Descriptor) ([]byte, error) {
	rc, err := repo.Fetch(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}

func TestMirrorServesContentAndTheOriginTags(t *testing.T) {
	f := newFleet(t, 4<<20, &registrytest.Options{})
	repo := f.repo(t, func(m *registry.Mirror) { m.Namespace = true })
	var answers []registry.Answer
	ctx := registry.Observe(t.Context(), func(a registry.Answer) { answers = append(answers, a) })

	desc, err := repo.Resolve(ctx, "1")
	if err != nil || desc.Digest != f.manifest.Digest {
		t.Fatalf("Resolve = %v, %v", desc, err)
	}
	if got, err := fetchAll(ctx, repo, f.layer); err != nil || !bytes.Equal(got, f.content) {
		t.Fatalf("Fetch = %d bytes, %v", len(got), err)
	}
	if _, err := fetchAll(ctx, repo, f.manifest); err != nil {
		t.Fatal(err)
	}
	for _, r := range f.origin.Requests() {
		if r.Method == http.MethodGet && strings.Contains(r.Path, "/blobs/") && r.Query == "" {
			continue // the mirror's own
		}
		if strings.Contains(r.Query, "ns=") {
			t.Errorf("the origin was asked with ns: %s?%s", r, r.Query)
		}
	}
	for _, r := range f.mirrors[0].Requests() {
		if r.Query != "ns="+strings.ReplaceAll(f.origin.Host, ":", "%3A") {
			t.Errorf("the mirror was asked with the query %q", r.Query)
		}
		if strings.HasSuffix(r.Path, "/manifests/1") {
			t.Error("the mirror was asked for a tag")
		}
	}
	want := []registry.Answer{{Host: f.origin.Host}, {Host: f.mirrors[0].Host, Mirror: true}, {Host: f.mirrors[0].Host, Mirror: true}}
	if !slices.Equal(answers, want) {
		t.Errorf("answers %v, want %v", answers, want)
	}
}

// TestMirrorThatHasBlobsWithTheirManifestOnly: what is asked for by tag warms
// such a mirror as well, and the origin sends nothing but a tag's digest.
func TestMirrorThatHasBlobsWithTheirManifestOnly(t *testing.T) {
	f := newFleet(t, 1000, &registrytest.Options{UpstreamWhole: true})
	repo := f.repo(t, func(m *registry.Mirror) { m.Namespace = true })
	var answers []registry.Answer
	ctx := registry.Observe(t.Context(), func(a registry.Answer) { answers = append(answers, a) })

	desc, rc, err := repo.FetchReference(ctx, "1")
	if err != nil || desc.Digest != f.manifest.Digest {
		t.Fatalf("FetchReference = %v, %v", desc, err)
	}
	if n, err := io.Copy(io.Discard, rc); err != nil || n != f.manifest.Size {
		t.Errorf("the manifest has %d bytes, %v", n, err)
	}
	if err := rc.Close(); err != nil {
		t.Error(err)
	}
	if got, err := fetchAll(ctx, repo, f.layer); err != nil || !bytes.Equal(got, f.content) {
		t.Fatalf("Fetch = %d bytes, %v", len(got), err)
	}
	mirror := registry.Answer{Host: f.mirrors[0].Host, Mirror: true}
	if want := []registry.Answer{{Host: f.origin.Host}, mirror, mirror}; !slices.Equal(answers, want) {
		t.Errorf("answers %v, want %v", answers, want)
	}
	for _, r := range f.origin.Requests() {
		if r.Method == http.MethodGet && strings.HasSuffix(r.Path, "/manifests/1") {
			t.Errorf("the origin sent the manifest: %s", r)
		}
	}

	// Without it, one GET of the origin is all.
	f.mirrors[0].Close()
	if _, err := fetchAll(ctx, repo, f.manifest); err != nil {
		t.Fatal(err)
	}
	f.origin.Reset()
	if _, rc, err = repo.FetchReference(ctx, "1"); err != nil {
		t.Fatal(err)
	}
	rc.Close()
	if methods := f.origin.Cost().Methods(); methods != "GET" {
		t.Errorf("with a mirror that is down, it cost %s", methods)
	}
}

func TestMirrorThatResolvesTags(t *testing.T) {
	f := newFleet(t, 10, &registrytest.Options{StaleTags: true})
	repo := f.repo(t, func(m *registry.Mirror) { m.Tags = true })
	if _, err := repo.Resolve(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	f.origin.Close()
	var answers []registry.Answer
	ctx := registry.Observe(t.Context(), func(a registry.Answer) { answers = append(answers, a) })
	desc, err := repo.Resolve(ctx, "1")
	if err != nil || desc.Digest != f.manifest.Digest || desc.Size != f.manifest.Size {
		t.Fatalf("Resolve = %v, %v", desc, err)
	}
	if want := []registry.Answer{{Host: f.mirrors[0].Host, Mirror: true, Tag: true}}; !slices.Equal(answers, want) {
		t.Errorf("answers %v, want %v", answers, want)
	}
	if _, err := repo.AtOrigin().Resolve(t.Context(), "1"); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("at the origin, which is closed: %v", err)
	}
}

func TestMirrorFallsThrough(t *testing.T) {
	for _, tc := range []struct {
		name   string
		faults registrytest.Faults
		lies   bool
	}{
		{"absent", registrytest.Faults{Status: 404, Code: "BLOB_UNKNOWN"}, false},
		{"denied", registrytest.Faults{Status: 403, Code: "DENIED"}, false},
		{"unauthorized", registrytest.Faults{Status: 401, Code: "UNAUTHORIZED"}, false},
		{"failing", registrytest.Faults{Status: 500}, false},
		{"busy", registrytest.Faults{Status: 429, Header: registrytest.RetryAfter(3600)}, false},
		{"captive portal", registrytest.Faults{HTML: true}, false},
		{"cut", registrytest.Faults{Cut: true}, false},
		{"cut in the middle", registrytest.Faults{Reset: true, At: registrytest.MidBody}, false},
		{"truncated", registrytest.Faults{Truncate: true, NoLength: true}, true}, // which shows in the digest of a manifest alone
		{"lying", registrytest.Faults{Corrupt: true}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, size := range []int{1000, 3 << 20} {
				f := newFleet(t, size, &registrytest.Options{}, &registrytest.Options{})
				f.mirrors[0].SetFaults(&tc.faults)
				repo := f.repo(t, nil)
				var lied []string
				ctx := registry.Observe(t.Context(), func(a registry.Answer) {
					if a.Err != nil {
						lied = append(lied, a.Host)
					}
				})
				if _, err := fetchAll(ctx, repo, f.manifest); err != nil {
					t.Fatalf("manifest: %v", err)
				}
				got, err := fetchAll(ctx, repo, f.layer)
				if registry.FromMirror(err) && size > 1<<20 { // it has been handed out, and can be had from now on
					got, err = fetchAll(ctx, repo, f.layer)
				}
				if err != nil || !bytes.Equal(got, f.content) {
					t.Fatalf("layer: %d bytes, %v", len(got), err)
				}
				if (len(lied) > 0) != tc.lies {
					t.Errorf("reported: %v", lied)
				}
				if n := len(f.mirrors[1].Requests()); n == 0 {
					t.Error("the second mirror was not asked")
				}
			}
		})
	}
}

func TestMirrorThatLiesAboutALargeBlob(t *testing.T) {
	f := newFleet(t, 3<<20, &registrytest.Options{})
	f.mirrors[0].SetFaults(&registrytest.Faults{Match: registrytest.Blobs, Corrupt: true})
	repo := f.repo(t, nil)
	_, err := fetchAll(t.Context(), repo, f.layer)
	var e *registry.Error
	if !errors.As(err, &e) || e.Mirror != f.mirrors[0].Host || !errors.Is(err, registry.ErrDigestMismatch) {
		t.Fatalf("error = %v", err)
	}
	f.mirrors[0].Reset()
	if got, err := fetchAll(t.Context(), repo, f.layer); err != nil || !bytes.Equal(got, f.content) {
		t.Errorf("fetched again: %v", err)
	}
	if n := len(f.mirrors[0].Requests()); n != 0 {
		t.Errorf("the mirror that lied was asked %d times more", n)
	}
}

func TestDeadMirrorIsRemembered(t *testing.T) {
	f := newFleet(t, 10, &registrytest.Options{})
	f.mirrors[0].SetFaults(&registrytest.Faults{Cut: true})
	repo := f.repo(t, nil)
	for range 5 {
		if _, err := fetchAll(t.Context(), repo, f.layer); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.mirrors[0].Requests()); n > 2 { // net/http itself asks again over a connection that was idle
		t.Errorf("the dead mirror was asked %d times", n)
	}
}

// A mirror that is restarted breaks all that is under way: that is one failure.
func TestMirrorIsBackSoon(t *testing.T) {
	f := newFleet(t, 10, &registrytest.Options{})
	const many = 12
	var asked sync.WaitGroup
	asked.Add(many)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked.Done()
		asked.Wait()
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer broken.Close()
	repo := repository(t, f.origin, &registry.Options{Hosts: func(host string) (c registry.HostConfig, err error) {
		if host == f.origin.Host {
			c.Mirrors = []registry.Mirror{{Host: strings.TrimPrefix(broken.URL, "http://")}}
		}
		return c, nil
	}})
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			if _, err := fetchAll(t.Context(), repo, f.layer); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if d := registry.MirrorDown(repo); d == 0 || d > 5*time.Second {
		t.Errorf("passed over for %s", d)
	}
}

// What a mirror answers while it is found to lie says nothing for it.
func TestMirrorThatLiesStaysPassedOver(t *testing.T) {
	f := newFleet(t, 2<<20, &registrytest.Options{})
	repo := f.repo(t, nil)
	late, answer := make(chan struct{}), make(chan struct{})
	f.mirrors[0].SetFaults(&registrytest.Faults{Match: registrytest.Blobs, Corrupt: true})
	rc, err := repo.Fetch(t.Context(), f.layer)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	arrived := sync.OnceFunc(func() { close(late) })
	f.mirrors[0].SetFaults(&registrytest.Faults{Match: func(*http.Request) bool { arrived(); <-answer; return false }})
	done := make(chan error)
	go func() {
		other, err := repo.Fetch(t.Context(), f.layer)
		if err == nil {
			err = other.Close()
		}
		done <- err
	}()
	<-late
	if _, err := io.Copy(io.Discard, rc); !registry.FromMirror(err) {
		t.Fatal(err)
	}
	close(answer)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if registry.MirrorDown(repo) == 0 {
		t.Error("the mirror is asked again")
	}
}

func TestContentByDigestWithoutTheOrigin(t *testing.T) {
	f := newFleet(t, 1<<20, &registrytest.Options{})
	repo := f.repo(t, nil)
	for _, desc := range []ocispec.Descriptor{f.manifest, f.layer} {
		if _, err := fetchAll(t.Context(), repo, desc); err != nil {
			t.Fatal(err)
		}
	}
	f.origin.Close()
	for _, desc := range []ocispec.Descriptor{f.manifest, f.layer} {
		if _, err := fetchAll(t.Context(), repo, desc); err != nil {
			t.Error(err)
		}
	}
	if got, err := repo.Resolve(t.Context(), f.manifest.Digest.String()); err != nil || got.Size != f.manifest.Size {
		t.Errorf("Resolve by digest = %v, %v", got, err)
	}
	if _, err := repo.Resolve(t.Context(), "1"); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("a tag without the origin: %v", err)
	}
}

func TestWritesGoToTheOrigin(t *testing.T) {
	f := newFleet(t, 10, &registrytest.Options{})
	repo := f.repo(t, func(m *registry.Mirror) { m.Tags = true }).WithActions(registry.ActionPull, registry.ActionPush)
	artifact(t, repo, "2", "other")
	if _, err := repo.Resolve(t.Context(), "2"); err != nil {
		t.Error(err)
	}
	if ok, err := repo.Exists(t.Context(), f.layer); !ok || err != nil {
		t.Errorf("Exists = %v, %v", ok, err)
	}
	if n := len(f.mirrors[0].Requests()); n != 0 {
		t.Errorf("%d requests to the mirror: %v", n, f.mirrors[0].Requests())
	}
}

func TestMirrorOfAPart(t *testing.T) {
	var asked []string
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked = append(asked, req.URL.Path)
		http.NotFound(w, req)
	}))
	defer mirror.Close()
	f := newFleet(t, 10)
	host := strings.TrimPrefix(mirror.URL, "http://")
	for _, tc := range []struct {
		mirror registry.Mirror
		want   string
	}{
		{registry.Mirror{Host: host}, "team/app"},
		{registry.Mirror{Host: host, Prefix: "hub"}, "hub/team/app"},
		{registry.Mirror{Host: host, Under: "team", Prefix: "x", Strip: true}, "x/app"},
		{registry.Mirror{Host: host, Under: "team/app", Prefix: "x", Strip: true}, "x"},
		{registry.Mirror{Host: host, Under: "tea"}, ""},
		{registry.Mirror{Host: host, Under: "other"}, ""},
	} {
		asked = nil
		repo := repository(t, f.origin, &registry.Options{Hosts: func(host string) (registry.HostConfig, error) {
			if host == f.origin.Host {
				return registry.HostConfig{Mirrors: []registry.Mirror{tc.mirror}}, nil
			}
			return registry.HostConfig{}, nil
		}})
		if _, err := fetchAll(t.Context(), repo, f.layer); err != nil {
			t.Errorf("%+v: %v", tc.mirror, err)
		}
		want := []string(nil)
		if tc.want != "" {
			want = []string{"/v2/" + tc.want + "/blobs/" + f.layer.Digest.String()}
		}
		if !slices.Equal(asked, want) {
			t.Errorf("%+v: asked for %v, want %v", tc.mirror, asked, want)
		}
	}
}

func TestRewrite(t *testing.T) {
	s := server(t, &registrytest.Options{PageSize: 2})
	real, err := registry.NewClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	at, err := real.Repository(registry.Reference{Host: s.Host, Repository: "hub/team/app"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		artifact(t, at, fmt.Sprint(i), "content")
	}
	client, err := registry.NewClient(&registry.Options{Hosts: func(host string) (registry.HostConfig, error) {
		if host != "charts.example" {
			return registry.HostConfig{}, nil
		}
		return registry.HostConfig{Rewrites: []registry.Rewrite{{Location: "nowhere.example/x"}, {Prefix: "team", Location: s.Host + "/hub/team"}}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: "charts.example", Repository: "team/app"})
	if err != nil {
		t.Fatal(err)
	}
	var tags []string
	for tag, err := range registry.Tags(t.Context(), repo) {
		if err != nil {
			t.Fatal(err)
		}
		tags = append(tags, tag)
	}
	if want := []string{"0", "1", "2", "3", "4"}; !slices.Equal(tags, want) {
		t.Errorf("tags over pages %v, want %v", tags, want)
	}
	manifest, layer := artifact(t, repo, "new", "other content")
	if desc, err := at.Resolve(t.Context(), "new"); err != nil || desc.Digest != manifest.Digest {
		t.Errorf("what was pushed: %v, %v", desc, err)
	}
	if err := pull(t.Context(), repo, layer); err != nil {
		t.Error(err)
	}
	if _, err := repo.Resolve(t.Context(), "absent"); err == nil || !strings.Contains(err.Error(), "charts.example/team/app:absent") {
		t.Errorf("an error in other names than the asked: %v", err)
	}
}
