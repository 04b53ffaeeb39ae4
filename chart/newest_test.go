package chart_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// newestTags are the tags of a repository that gets a version from every build:
// 10,000 versions, and beside each tenth of them a signature.
func newestTags(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	tags := make([]string, 0, n+n/10)
	for i := range n {
		tag := fmt.Sprintf("%d.%d.%d", i/1000, i/100%10, i%100)
		switch i % 8 {
		case 1:
			tag += fmt.Sprintf("-rc.%d", r.IntN(20))
		case 2:
			tag += fmt.Sprintf("_build.%d", r.IntN(20))
		case 3:
			tag = "v" + tag
		}
		if tags = append(tags, tag); i%10 == 0 {
			tags = append(tags, fmt.Sprintf("sha256-%064x.sig", i))
		}
	}
	r.Shuffle(len(tags), func(i, j int) { tags[i], tags[j] = tags[j], tags[i] })
	return tags
}

// newestPage is how many tags newestServer gives in a page.
const newestPage = 1000

// newestServer lists tags, and knows a manifest under each. It tells seen of
// each request.
func newestServer(tb testing.TB, tags []string, seen func(*http.Request)) (*registry.Client, registry.Reference) {
	tb.Helper()
	var pages []string
	for part := range slices.Chunk(tags, newestPage) {
		pages = append(pages, `{"name":"app","tags":["`+strings.Join(part, `","`)+`"]}`)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		seen(req)
		if !strings.HasSuffix(req.URL.Path, "/tags/list") {
			w.Header().Set("Docker-Content-Digest", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			w.Header().Set("Content-Length", "10")
			return
		}
		page, _ := strconv.Atoi(req.URL.Query().Get("page"))
		if page+1 < len(pages) {
			w.Header().Set("Link", fmt.Sprintf(`<list?page=%d>; rel="next"`, page+1))
		}
		fmt.Fprint(w, pages[page])
	}))
	tb.Cleanup(s.Close)
	client, err := registry.NewClient(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return client, registry.Reference{Host: strings.TrimPrefix(s.URL, "http://"), Repository: "app"}
}

func newestClient(tb testing.TB) (*chart.Client, registry.Reference) {
	tb.Helper()
	reg, ref := newestServer(tb, newestTags(10_000), func(*http.Request) {})
	client, err := chart.NewClient(&chart.ClientOptions{Registry: reg})
	if err != nil {
		tb.Fatal(err)
	}
	return client, ref
}

// BenchmarkNewest resolves the newest of 10,000 versions, over HTTP: the server,
// which is in this process, is measured too.
func BenchmarkNewest(b *testing.B) {
	client, ref := newestClient(b)
	b.ReportAllocs()
	cpu := processorTime()
	for b.Loop() {
		if _, err := client.Resolve(context.Background(), ref, chart.Selector{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((processorTime()-cpu).Milliseconds())/float64(b.N), "cpu-ms/op")
}

// BenchmarkVersions lists 10,000 versions, newest first.
func BenchmarkVersions(b *testing.B) {
	client, ref := newestClient(b)
	b.ReportAllocs()
	cpu := processorTime()
	for b.Loop() {
		n := 0
		for _, err := range client.Versions(context.Background(), ref, chart.VersionOptions{}) {
			if n++; err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64((processorTime()-cpu).Milliseconds())/float64(b.N), "cpu-ms/op")
}

// TestNewestOfMany: the newest of 10,000 versions costs the pages of their list
// and one request more, and is the first of the listing.
func TestNewestOfMany(t *testing.T) {
	var requests atomic.Int64
	tags := newestTags(10_000)
	reg, ref := newestServer(t, tags, func(*http.Request) { requests.Add(1) })
	client, err := chart.NewClient(&chart.ClientOptions{Registry: reg})
	if err != nil {
		t.Fatal(err)
	}
	for _, options := range []chart.VersionOptions{{}, {Version: "^3"}, {Version: ">=2.5, <2.6", Prereleases: true}, {Prereleases: true}} {
		requests.Store(0)
		got, err := client.Resolve(t.Context(), ref, chart.Selector{Version: options.Version, Prereleases: options.Prereleases})
		if err != nil {
			t.Fatal(err)
		}
		if want := int64((len(tags)+newestPage-1)/newestPage) + 1; requests.Load() != want {
			t.Errorf("%d requests, want %d", requests.Load(), want)
		}
		for v, err := range client.Versions(t.Context(), ref, options) {
			if err != nil || v.Tag != got.Reference.Tag {
				t.Errorf("%+v: resolved to %s, and the first of the list is %s, %v", options, got.Reference.Tag, v.Tag, err)
			}
			break
		}
	}
}
