package registrytest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/registry/registrytest"
)

func TestRanges(t *testing.T) {
	for _, tc := range []struct {
		name          string
		ranges        registrytest.Ranges
		asked         string
		status        int
		part, content string
	}{
		{"honoured", registrytest.RangesHonoured, "bytes=3-", 206, "bytes 3-6/7", "bour"},
		{"closed", registrytest.RangesHonoured, "bytes=1-2", 206, "bytes 1-2/7", "ar"},
		{"past the end", registrytest.RangesHonoured, "bytes=7-", 416, "bytes */7", ""},
		{"over the end", registrytest.RangesHonoured, "bytes=5-100", 206, "bytes 5-6/7", "ur"},
		{"suffix", registrytest.RangesHonoured, "bytes=-2", 206, "bytes 5-6/7", "ur"},
		{"ignored", registrytest.RangesIgnored, "bytes=3-", 200, "", "harbour"},
		{"shifted", registrytest.RangesShifted, "bytes=3-", 206, "bytes 4-6/7", "our"},
		{"refused", registrytest.RangesRefused, "bytes=3-", 416, "bytes */7", ""},
	} {
		for _, redirect := range []bool{false, true} {
			s := quirksServer(t, &registrytest.Options{Blobs: registrytest.BlobOptions{Ranges: tc.ranges, Redirect: redirect}})
			blob := quirksBlob(t, s, "harbour")
			resp, text, err := quirksDo(t, "GET", blob, http.Header{"Range": {tc.asked}}, "")
			if redirect && err == nil {
				resp, text, err = quirksDo(t, "GET", quirksNext(t, resp, ""), http.Header{"Range": {tc.asked}}, "")
			}
			if err != nil || resp.StatusCode != tc.status || resp.Header.Get("Content-Range") != tc.part || (resp.StatusCode < 300 && text != tc.content) {
				t.Errorf("%s, redirect %t: %v %v %q", tc.name, redirect, resp, err, text)
			}
		}
	}
}

func TestBlobRedirect(t *testing.T) {
	s := quirksServer(t, &registrytest.Options{Blobs: registrytest.BlobOptions{Redirect: true}})
	blob := quirksBlob(t, s, "harbour")
	resp, _, err := quirksDo(t, "GET", blob, nil, "")
	if err != nil || resp.StatusCode != 307 {
		t.Fatal(resp, err)
	}
	signed := quirksNext(t, resp, "")
	s.SetFaults(&registrytest.Faults{Match: registrytest.Stored, Truncate: true, Times: 1})
	if _, text, err := quirksDo(t, "GET", signed, nil, ""); err == nil || text != "har" {
		t.Errorf("a fault of the storage: %q %v", text, err)
	}
	for name, tc := range map[string]struct {
		url    string
		header http.Header
		status int
	}{
		"as it is":          {signed, nil, 200},
		"with credentials":  {signed, http.Header{"Authorization": {"Basic Y2FuYXJ5"}}, 400},
		"without signature": {signed[:strings.Index(signed, "?")], nil, 403},
	} {
		if resp, _, err := quirksDo(t, "GET", tc.url, tc.header, ""); err != nil || resp.StatusCode != tc.status {
			t.Errorf("%s: %v %v", name, resp, err)
		}
	}
	if got := len(s.Storage.Requests()); got != 4 {
		t.Errorf("the storage counts %d", got)
	}
	if resp, _, err := quirksDo(t, "GET", s.URL+"/v2/team/app/blobs/"+digest.FromString("none").String(), nil, ""); err != nil || resp.StatusCode != 404 {
		t.Errorf("an absent blob: %v %v", resp, err)
	}
}

func TestLostBlobs(t *testing.T) {
	s := quirksServer(t, nil)
	blob := quirksBlob(t, s, "harbour")
	d := digest.FromString("harbour")
	manifest := `{"schemaVersion":2,"config":{"mediaType":"a/b","size":7,"digest":"` + d.String() + `"},"layers":[]}`
	put := func() (int, string) {
		resp, text, err := quirksDo(t, "PUT", s.URL+"/v2/team/app/manifests/a", http.Header{"Content-Type": {"application/vnd.oci.image.manifest.v1+json"}}, manifest)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, text
	}
	status := func(method string) int {
		resp, _, err := quirksDo(t, method, blob, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	s.Lose(d)
	if status("HEAD") != 200 || status("GET") != 404 {
		t.Error("a lost blob is found by GET, or not by HEAD")
	}
	if code, text := put(); code != 400 || !strings.Contains(text, "MANIFEST_BLOB_UNKNOWN") || !strings.Contains(text, d.String()) {
		t.Errorf("a manifest of a lost blob: %d %s", code, text)
	}
	quirksBlob(t, s, "harbour")
	if code, text := put(); code != 201 || status("GET") != 200 {
		t.Errorf("after it is pushed again: %d %s", code, text)
	}
}

func TestUpstream(t *testing.T) {
	origin := quirksServer(t, nil)
	quirksTags(t, origin, "team/app", "a", "b")
	blob := strings.TrimPrefix(quirksBlob(t, origin, "harbour"), origin.URL)
	mirror := quirksServer(t, &registrytest.Options{Upstream: origin.URL})
	stale := quirksServer(t, &registrytest.Options{Upstream: origin.URL, StaleTags: true})
	prefixed := quirksServer(t, &registrytest.Options{Upstream: origin.URL, UpstreamPrefix: "hub"})
	get := func(s *registrytest.Server, path string) string {
		t.Helper()
		resp, text, err := quirksDo(t, "GET", s.URL+path+"?ns=example.com", nil, "")
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 {
			return resp.Status[:3]
		}
		return text
	}
	const tag = "/v2/team/app/manifests/a"
	for _, s := range []*registrytest.Server{mirror, stale} {
		if got := get(s, blob) + get(s, tag) + get(s, "/v2/team/app/manifests/none"); got != "harbour"+quirksIndex("a")+"404" {
			t.Errorf("through the mirror: %s", got)
		}
	}
	if got := get(prefixed, "/v2/hub"+strings.TrimPrefix(blob, "/v2")) + get(prefixed, blob); got != "harbour404" {
		t.Errorf("under a prefix: %s", got)
	}
	if got := mirror.Requests()[0].Query; got != "ns=example.com" {
		t.Errorf("query %q", got)
	}
	if resp, _, err := quirksDo(t, "PUT", origin.URL+tag, quirksIndexType, quirksIndex("moved")); err != nil || resp.StatusCode != 201 {
		t.Fatal(resp, err)
	}
	if got := get(mirror, tag); got != quirksIndex("moved") {
		t.Errorf("a tag that moved: %s", got)
	}
	if got := get(stale, tag); got != quirksIndex("a") {
		t.Errorf("a stale mirror: %s", got)
	}
	mirror.SetFaults(&registrytest.Faults{Match: registrytest.Named(digest.FromString("harbour").String()), Corrupt: true})
	if got := get(mirror, blob) + get(mirror, tag); got != "harbous"+quirksIndex("moved") {
		t.Errorf("a lying mirror: %s", got)
	}
	mirror.SetFaults(nil)
	origin.Close()
	if got := get(mirror, blob) + get(mirror, tag) + get(mirror, "/v2/team/app/manifests/b"); got != "harbour"+quirksIndex("moved")+"404" {
		t.Errorf("without its upstream: %s", got)
	}
}
