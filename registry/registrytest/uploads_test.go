package registrytest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/registry/registrytest"
)

// quirksStart opens a session for an upload to team/app.
func quirksStart(t *testing.T, s *registrytest.Server) *http.Response {
	t.Helper()
	resp, text, err := quirksDo(t, "POST", s.URL+"/v2/team/app/blobs/uploads/", nil, "")
	if err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%v %v %s", resp, err, text)
	}
	return resp
}

// quirksPatch sends one part.
func quirksPatch(t *testing.T, session *http.Response, start int, part string) *http.Response {
	t.Helper()
	resp, _, err := quirksDo(t, "PATCH", quirksNext(t, session, ""),
		http.Header{"Content-Range": {fmt.Sprintf("%d-%d", start, start+len(part)-1)}, "Content-Type": {"application/octet-stream"}}, part)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestUploadLocations(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options registrytest.UploadOptions
		want    string // what the location begins with
	}{
		{"path", registrytest.UploadOptions{}, "/v2/team/app/blobs/uploads/"},
		{"path with a query", registrytest.UploadOptions{Query: true}, "/v2/team/app/blobs/uploads/"},
		{"absolute", registrytest.UploadOptions{Location: registrytest.LocationAbsolute}, "http://HOST/v2/team/app/blobs/uploads/"},
		{"relative", registrytest.UploadOptions{Location: registrytest.LocationRelative, Query: true}, ""},
		{"storage", registrytest.UploadOptions{Location: registrytest.LocationStorage}, "http://STORAGE/upload/team/app/"},
		{"storage with a query", registrytest.UploadOptions{Location: registrytest.LocationStorage, Query: true}, "http://STORAGE/upload/team/app/"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := quirksServer(t, &registrytest.Options{Uploads: tc.options})
			resp := quirksStart(t, s)
			want := strings.Replace(tc.want, "HOST", s.Host, 1)
			if s.Storage != nil {
				want = strings.Replace(want, "STORAGE", s.Storage.Host, 1)
			}
			location := resp.Header.Get("Location")
			if !strings.HasPrefix(location, want) || (want == "" && strings.Contains(location, "/v2/")) {
				t.Errorf("Location %s", location)
			}
			resp = quirksPatch(t, resp, 0, "har")
			resp = quirksPatch(t, resp, 3, "bour")
			if resp.StatusCode != 202 || resp.Header.Get("Range") != "0-6" {
				t.Fatalf("the second part: %v", resp)
			}
			d := digest.FromString("harbour").String()
			if tc.options.Query {
				bare, _, _ := strings.Cut(quirksNext(t, resp, ""), "?")
				if bad, _, err := quirksDo(t, "PUT", bare+"?digest="+d, nil, ""); err != nil || bad.StatusCode/100 != 4 {
					t.Errorf("without the location's query: %v %v", bad, err)
				}
			}
			resp, text, err := quirksDo(t, "PUT", quirksNext(t, resp, "digest="+d), nil, "")
			if err != nil || resp.StatusCode != 201 {
				t.Fatalf("%v %v %s", resp, err, text)
			}
			if _, got, err := quirksDo(t, "GET", s.URL+"/v2/team/app/blobs/"+d, nil, ""); err != nil || got != "harbour" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func TestUploadToStorage(t *testing.T) {
	s := quirksServer(t, &registrytest.Options{Uploads: registrytest.UploadOptions{Location: registrytest.LocationStorage}})
	location := quirksNext(t, quirksStart(t, s), "")
	d := digest.FromString("x").String()
	resp, _, err := quirksDo(t, "PUT", location+"&digest="+d, http.Header{"Authorization": {"Bearer canary"}}, "x")
	if err != nil || resp.StatusCode != 400 {
		t.Errorf("with credentials: %v %v", resp, err)
	}
	resp, _, err = quirksDo(t, "PUT", strings.Replace(location, "Signature=", "Signature=0", 1)+"&digest="+d, nil, "x")
	if err != nil || resp.StatusCode != 403 {
		t.Errorf("with another signature: %v %v", resp, err)
	}
	resp, _, err = quirksDo(t, "PUT", location+"&digest="+d, nil, "x")
	if err != nil || resp.StatusCode != 201 {
		t.Errorf("as it is: %v %v", resp, err)
	}
	if got := s.Storage.Requests(); len(got) != 3 || !got[0].Authorization || got[2].Received != 1 {
		t.Errorf("the storage has seen %v", got)
	}
}

func TestUploadRefusals(t *testing.T) {
	d := "digest=" + digest.FromString("harbour").String()
	t.Run("whole", func(t *testing.T) {
		for _, status := range []int{405, 411, 413, 501} {
			s := quirksServer(t, &registrytest.Options{Uploads: registrytest.UploadOptions{Monolithic: status}})
			session := quirksStart(t, s)
			if resp, _, err := quirksDo(t, "PUT", quirksNext(t, session, d), nil, "harbour"); err != nil || resp.StatusCode != status {
				t.Errorf("want %d: %v %v", status, resp, err)
			}
			next := quirksPatch(t, session, 0, "harbo")
			resp, _, err := quirksDo(t, "PUT", quirksNext(t, next, d), http.Header{"Content-Range": {"5-6"}}, "ur")
			if err != nil || resp.StatusCode != 201 {
				t.Errorf("in parts, the last with the PUT: %v %v", resp, err)
			}
		}
	})
	t.Run("too large", func(t *testing.T) {
		s := quirksServer(t, &registrytest.Options{Uploads: registrytest.UploadOptions{MaxBody: 4}})
		session := quirksStart(t, s)
		s.Reset()
		resp, text, err := quirksDo(t, "PUT", quirksNext(t, session, d), nil, "harbour")
		if err != nil || resp.StatusCode != 413 || !strings.Contains(text, "<html>") || s.Requests()[0].Received != 0 {
			t.Errorf("%v %v %s %v", resp, err, text, s.Requests())
		}
		for range 5 { // the answer arrives, though nobody reads the body
			if resp, _, err := quirksDo(t, "PUT", quirksNext(t, session, d), nil, strings.Repeat("harbour ", 1<<19)); err != nil || resp.StatusCode != 413 {
				t.Errorf("much too large: %v %v", resp, err)
			}
		}
		next := quirksPatch(t, quirksPatch(t, session, 0, "harb"), 4, "our")
		if resp, _, err := quirksDo(t, "PUT", quirksNext(t, next, d), nil, ""); err != nil || resp.StatusCode != 201 {
			t.Errorf("in parts: %v %v", resp, err)
		}
	})
	t.Run("parts too small", func(t *testing.T) {
		s := quirksServer(t, &registrytest.Options{Uploads: registrytest.UploadOptions{MinChunk: 4}})
		session := quirksStart(t, s)
		if got := session.Header.Get("OCI-Chunk-Min-Length"); got != "4" {
			t.Errorf("OCI-Chunk-Min-Length %q", got)
		}
		next := quirksPatch(t, session, 0, "har")
		if next.StatusCode != 202 {
			t.Errorf("the first: %v", next)
		}
		if resp := quirksPatch(t, next, 3, "bour"); resp.StatusCode != 400 {
			t.Errorf("one after a small one: %v", resp)
		}
	})
	t.Run("wrong place", func(t *testing.T) {
		s := quirksServer(t, nil)
		next := quirksPatch(t, quirksStart(t, s), 0, "har")
		if resp := quirksPatch(t, next, 2, "bour"); resp.StatusCode != 416 {
			t.Errorf("%v", resp)
		}
	})
	t.Run("one byte", func(t *testing.T) {
		s := quirksServer(t, nil)
		next := quirksPatch(t, quirksStart(t, s), 0, "x")
		if next.StatusCode != 202 || next.Header.Get("Range") != "0-0" {
			t.Fatalf("%v", next)
		}
		if next = quirksPatch(t, next, 1, "y"); next.StatusCode != 202 || next.Header.Get("Range") != "0-1" {
			t.Errorf("one more: %v", next)
		}
	})
	t.Run("single POST", func(t *testing.T) {
		for single, want := range map[bool]int{false: 202, true: 201} {
			s := quirksServer(t, &registrytest.Options{Uploads: registrytest.UploadOptions{SinglePost: single}})
			resp, _, err := quirksDo(t, "POST", s.URL+"/v2/team/app/blobs/uploads/?"+d, http.Header{"Content-Type": {"application/octet-stream"}}, "harbour")
			if err != nil || resp.StatusCode != want {
				t.Errorf("want %d: %v %v", want, resp, err)
			}
		}
	})
}

func TestUploadSessions(t *testing.T) {
	s := quirksServer(t, nil)
	session := quirksStart(t, s)
	location := quirksNext(t, quirksPatch(t, session, 0, "har"), "")
	status := func(method, url string, want int) *http.Response {
		t.Helper()
		resp, _, err := quirksDo(t, method, url, nil, "")
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s: %v %v, want %d", method, resp, err, want)
		}
		return resp
	}
	if got := status("GET", location, 204).Header.Get("Range"); got != "0-2" {
		t.Errorf("Range %q", got)
	}
	status("DELETE", location, 204)
	status("GET", location, 404)
	status("PUT", location+"?digest="+digest.FromString("har").String(), 404)

	s.SetFaults(&registrytest.Faults{At: registrytest.MidUpload, Cut: true, Times: 1})
	session = quirksStart(t, s)
	if _, _, err := quirksDo(t, "PATCH", quirksNext(t, session, ""), http.Header{"Content-Range": {"0-7"}}, "harbours"); err == nil {
		t.Error("no fault")
	}
	if got := status("GET", quirksNext(t, session, ""), 204).Header.Get("Range"); got != "0-3" {
		t.Errorf("Range after half of a part %q", got)
	}

	quiet := quirksServer(t, &registrytest.Options{Uploads: registrytest.UploadOptions{NoStatus: true, NoCancel: true}})
	location = quirksNext(t, quirksStart(t, quiet), "")
	if resp, _, err := quirksDo(t, "GET", location, nil, ""); err != nil || resp.StatusCode != 404 {
		t.Errorf("NoStatus: %v %v", resp, err)
	}
	if resp, _, err := quirksDo(t, "DELETE", location, nil, ""); err != nil || resp.StatusCode != 405 {
		t.Errorf("NoCancel: %v %v", resp, err)
	}
}
