package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// learnedAnswer is the answer to a request, with headers as "Name: value".
func learnedAnswer(method, target string, asked []string, status int, headers ...string) *http.Response {
	req := httptest.NewRequest(method, "https://reg.example.com"+target, nil)
	for _, h := range asked {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Request: req, Body: http.NoBody}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		resp.Header.Set(name, value)
	}
	return resp
}

func learningClient(t testing.TB) *Client {
	t.Helper()
	c, err := NewClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLearn(t *testing.T) {
	const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, tc := range []struct {
		name string
		resp *http.Response
		want string // the rows that are not unknown
	}{
		{"version", learnedAnswer("GET", "/v2/", nil, 200, "Docker-Distribution-Api-Version: registry/2.0", "Server: nginx"), "apiVersion=registry/2.0 server=nginx"},
		{"ETag", learnedAnswer("GET", "/v2/app/manifests/1", nil, 200, `ETag: "x"`), "manifestETag=yes"},
		{"no ETag", learnedAnswer("HEAD", "/v2/app/manifests/1", nil, 200), "manifestETag=no"},
		{"no manifest", learnedAnswer("HEAD", "/v2/app/manifests/1", nil, 404), ""},
		{"304", learnedAnswer("GET", "/v2/app/manifests/1", []string{`If-None-Match: "x"`}, 304), "notModified=yes"},
		{"subject", learnedAnswer("PUT", "/v2/app/manifests/1", nil, 201, "OCI-Subject: "+digest), "referrers=yes"},
		{"referrers", learnedAnswer("GET", "/v2/app/referrers/"+digest, nil, 200, "Content-Type: application/vnd.oci.image.index.v1+json"), "referrers=yes"},
		{"no referrers, by a web page", learnedAnswer("GET", "/v2/app/referrers/"+digest, nil, 200, "Content-Type: text/html"), ""},
		{"condition", learnedAnswer("PUT", "/v2/app/manifests/1", []string{"If-None-Match: *"}, 412), "conditionalPut=yes"},
		{"immutable", learnedAnswer("PUT", "/v2/app/manifests/1", nil, 412), "immutableTags=yes"},
		{"no condition of a digest", learnedAnswer("PUT", "/v2/app/manifests/"+digest, nil, 412), ""},
		{"conflict", learnedAnswer("PUT", "/v2/app/manifests/1", nil, 409), ""},
		{"delete", learnedAnswer("DELETE", "/v2/app/manifests/"+digest, nil, 202), "delete=yes"},
		{"no delete", learnedAnswer("DELETE", "/v2/app/blobs/"+digest, nil, 501), "delete=no"},
		{"no delete, or not of this", learnedAnswer("DELETE", "/v2/app/blobs/"+digest, nil, 405), ""},
		{"delete denied", learnedAnswer("DELETE", "/v2/app/blobs/"+digest, nil, 403), ""},
		{"untag", learnedAnswer("DELETE", "/v2/app/manifests/1", nil, 202), "untag=yes"},
		{"range", learnedAnswer("GET", "/v2/app/blobs/"+digest, []string{"Range: bytes=1-"}, 206), "ranges=yes"},
		{"range not heeded", learnedAnswer("GET", "/v2/app/blobs/"+digest, []string{"Range: bytes=1-"}, 200), "ranges=no"},
		{"blob", learnedAnswer("GET", "/v2/app/blobs/"+digest, nil, 200), ""},
		{"mount", learnedAnswer("POST", "/v2/app/blobs/uploads/?mount="+digest+"&from=b", nil, 201), "mount=yes"},
		{"not mounted", learnedAnswer("POST", "/v2/app/blobs/uploads/?mount="+digest+"&from=b", nil, 202), ""},
		{"chunk", learnedAnswer("POST", "/v2/app/blobs/uploads/", nil, 202, "OCI-Chunk-Min-Length: 1048576"), "chunkMinimum=1048576"},
		{"no chunk", learnedAnswer("POST", "/v2/app/blobs/uploads/", nil, 202, "OCI-Chunk-Min-Length: -1"), ""},
		{"pages", learnedAnswer("GET", "/v2/app/tags/list", nil, 200, `Link: </v2/app/tags/list?n=50&last=x>; rel="next"`), "tagPaging=yes tagPageSize=50"},
		{"pages that were asked for", learnedAnswer("GET", "/v2/app/tags/list?n=1", nil, 200, `Link: <list?n=1&last=x>; rel="next"`), "tagPaging=yes"},
		{"one page", learnedAnswer("GET", "/v2/app/tags/list", nil, 200), ""},
		{"catalog", learnedAnswer("GET", "/v2/_catalog?n=100", nil, 200), "catalog=listed"},
		{"no catalog", learnedAnswer("GET", "/v2/_catalog", nil, 404), "catalog=none"},
		{"catalog denied", learnedAnswer("GET", "/v2/_catalog", nil, 403), ""},
		{"names as routes", learnedAnswer("DELETE", "/v2/manifests/blobs/manifests/tags/list", nil, 202), ""},
		{"zot", learnedAnswer("GET", "/v2/", nil, 200, "Access-Control-Allow-Headers: Authorization,content-type,X-ZOT-API-CLIENT"), "kind=zot"},
		{"artifactory", learnedAnswer("GET", "/v2/", nil, 200, "X-Jfrog-Version: 7"), "kind=artifactory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := learningClient(t)
			c.learn("reg.example.com", tc.resp)
			known, _ := c.known.of("reg.example.com")
			var got []string
			for _, row := range known.Rows() {
				if row.Value != "unknown" {
					got = append(got, row.Name+"="+row.Value)
				}
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("learned %q, want %q", got, tc.want)
			}
		})
	}
}

// TestLearnFromRedirects: what a storage service says of itself is nothing
// about the registry; what became of the request is.
func TestLearnFromRedirects(t *testing.T) {
	first := learnedAnswer("GET", "/v2/app/blobs/sha256:1", []string{"Range: bytes=1-"}, 307)
	resp := &http.Response{StatusCode: 206, Header: http.Header{"Server": {"storage"}}, Body: http.NoBody,
		Request: httptest.NewRequest("GET", "https://storage.invalid/x", nil)}
	resp.Request.Response = first
	c := learningClient(t)
	c.learn("reg.example.com", resp)
	if known, _ := c.known.of("reg.example.com"); known.Ranges.Value != Supported || known.Server.Value != "" {
		t.Errorf("learned %v", known)
	}
}

func TestFactsGrowOld(t *testing.T) {
	for _, tc := range []struct {
		name     string
		status   int
		after    time.Duration
		requests int
	}{
		{"listed, within a day", 200, 23 * time.Hour, 0},
		{"listed, after a day", 200, 25 * time.Hour, 1},
		{"none, within the hour", 404, 59 * time.Minute, 0},
		{"none, after the hour", 404, 61 * time.Minute, 1},
		{"unauthorized, within the hour", 401, 59 * time.Minute, 0},
		{"unauthorized, after the hour", 401, 61 * time.Minute, 1},
		{"failing", 502, 0, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asked := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path != "/v2/_catalog" {
					return
				}
				asked++
				w.WriteHeader(tc.status)
				fmt.Fprint(w, `{"repositories":[]}`)
			}))
			defer s.Close()
			c := learningClient(t)
			at := time.Now()
			c.known.now = func() time.Time { return at }
			ref := Reference{Host: strings.TrimPrefix(s.URL, "http://")}
			if _, err := c.Capabilities(context.Background(), ref); err != nil {
				t.Fatal(err)
			}
			asked, at = 0, at.Add(tc.after)
			if _, err := c.Capabilities(context.Background(), ref); err != nil || asked != tc.requests {
				t.Errorf("asked %d times, %v", asked, err)
			}
		})
	}
}

func TestExperienceIsBounded(t *testing.T) {
	c := learningClient(t)
	for i := range 3 * maxLearned {
		c.learn(fmt.Sprintf("reg-%d.example.com", i), learnedAnswer("GET", "/v2/", nil, 200, "Server: x"))
	}
	if n := len(c.known.hosts); n > maxLearned {
		t.Errorf("%d hosts are remembered", n)
	}
}

// FuzzRouteOf: an object has no slash, and stands at the end of its path.
func FuzzRouteOf(f *testing.F) {
	for _, path := range []string{"/v2/", "/v2/_catalog", "/v2/a/tags/list", "/v2/a/manifests/1", "/v2/a/blobs/uploads/", "/v2/a/blobs/sha256:0", "/", "", "tags/list", "/v2/manifests/tags/list"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		kind, object := routeOf(path)
		if strings.Contains(object, "/") || kind != "_catalog" && kind != "" && !strings.HasSuffix(path, kind+"/"+object) {
			t.Errorf("%q is %q of %q", path, object, kind)
		}
	})
}

// FuzzReadExtensions: at most so many names, each fit to be shown.
func FuzzReadExtensions(f *testing.F) {
	for _, answer := range []string{`{"extensions":[{"name":"_zot","url":"x","endpoints":["/v2/_zot"]}]}`, `{"extensions":null}`, `{}`, `[]`, ``, `{"extensions":[{"name":"\u001b"}]}`} {
		f.Add(answer)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		names := readExtensions(strings.NewReader(answer))
		if len(names) > maxNamed {
			t.Errorf("%d names", len(names))
		}
		for _, name := range names {
			if len(name) > maxFact+len("…") || strings.ContainsAny(name, "\x1b\n") {
				t.Errorf("%q", name)
			}
		}
	})
}

// BenchmarkLearn is the price of an answer from which nothing new is learned.
func BenchmarkLearn(b *testing.B) {
	c := learningClient(b)
	resp := learnedAnswer("GET", "/v2/team/app/manifests/1.0.0", nil, 200, `ETag: "x"`, "Server: nginx", "Docker-Distribution-Api-Version: registry/2.0")
	b.ReportAllocs()
	for b.Loop() {
		c.learn("reg.example.com", resp)
	}
}
