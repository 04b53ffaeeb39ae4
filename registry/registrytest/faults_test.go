package registrytest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/registry/registrytest"
)

func TestFaultsInTheAnswer(t *testing.T) {
	size := len(quirksContent)
	flipped := func(at int) string {
		b := []byte(quirksContent)
		b[at] ^= 1
		return string(b)
	}
	for _, tc := range []struct {
		name   string
		faults registrytest.Faults
		status int // 0: no answer
		want   string
		broken bool // the body does not end well
	}{
		{"cut", registrytest.Faults{Cut: true}, 0, "", true},
		{"reset", registrytest.Faults{Reset: true}, 0, "", true},
		{"cut after the work", registrytest.Faults{Cut: true, At: registrytest.BeforeAnswer}, 0, "", true},
		{"cut in the body", registrytest.Faults{Cut: true, At: registrytest.MidBody}, 200, quirksContent[:size/2], true},
		{"cut at the last byte", registrytest.Faults{Cut: true, At: registrytest.LastByte}, 200, quirksContent[:size-1], true},
		{"truncated", registrytest.Faults{Truncate: true}, 200, quirksContent[:size/2], true},
		{"truncated at the last byte", registrytest.Faults{Truncate: true, At: registrytest.LastByte}, 200, quirksContent[:size-1], true},
		{"truncated in good form", registrytest.Faults{Truncate: true, NoLength: true}, 200, quirksContent[:size/2], false},
		{"corrupt", registrytest.Faults{Corrupt: true}, 200, flipped(size - 1), false},
		{"corrupt in the middle", registrytest.Faults{Corrupt: true, At: registrytest.MidBody}, 200, flipped(size / 2), false},
		{"without length", registrytest.Faults{NoLength: true}, 200, quirksContent, false},
		{"slow", registrytest.Faults{BytesPerSecond: 1 << 20}, 200, quirksContent, false},
		{"status", registrytest.Faults{Status: 503, Code: "UNAVAILABLE"}, 503, `{"errors":[{"code":"UNAVAILABLE","message":"as ordered"}]}` + "\n", false},
		{"page", registrytest.Faults{HTML: true}, 200, "<!DOCTYPE html><title>Sign in</title>Welcome to the harbour's network.", false},
		{"redirect", registrytest.Faults{Redirect: "https://portal.example.com/"}, 307, "", false},
		{"other path", registrytest.Faults{Match: registrytest.Manifests, Cut: true}, 200, quirksContent, false},
		{"an upload's", registrytest.Faults{At: registrytest.MidUpload, Cut: true}, 200, quirksContent, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := quirksServer(t, nil)
			blob := quirksBlob(t, s, quirksContent)
			s.SetFaults(&tc.faults)
			resp, got, err := quirksDo(t, "GET", blob, nil, "")
			status := 0
			if resp != nil {
				status = resp.StatusCode
			}
			if status != tc.status || (err != nil) != tc.broken {
				t.Fatalf("status %d, %v; want %d, broken %t", status, err, tc.status, tc.broken)
			}
			if got != tc.want {
				t.Errorf("got %d bytes, want %d, or other ones", len(got), len(tc.want))
			}
			if tc.faults.NoLength && resp.ContentLength != -1 {
				t.Errorf("Content-Length %d", resp.ContentLength)
			}
		})
	}
}

// TestFaultsInAnAnswerWithoutLength is about answers whose size nobody has said
// before: they break at the same places.
func TestFaultsInAnAnswerWithoutLength(t *testing.T) {
	whole := quirksIndex("a")
	for name, tc := range map[string]struct {
		faults registrytest.Faults
		want   string
		broken bool
	}{
		"cut":       {registrytest.Faults{Cut: true, At: registrytest.LastByte}, whole[:len(whole)-1], true},
		"truncated": {registrytest.Faults{Truncate: true}, whole[:len(whole)/2], true},
		"corrupt":   {registrytest.Faults{Corrupt: true}, whole[:len(whole)-1] + "|", false},
	} {
		s := quirksServer(t, &registrytest.Options{Manifests: registrytest.ManifestOptions{NoLength: true}})
		quirksTags(t, s, "team/app", "a")
		s.SetFaults(&tc.faults)
		_, got, err := quirksDo(t, "GET", s.URL+"/v2/team/app/manifests/a", nil, "")
		if got != tc.want || (err != nil) != tc.broken {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestFaultsInAnUpload(t *testing.T) {
	for _, tc := range []struct {
		name   string
		faults registrytest.Faults
		status int
		kept   bool // the registry has the blob
		taken  int  // bytes of the request's body
	}{
		{"before", registrytest.Faults{Status: 503}, 503, false, 0},
		{"in the middle", registrytest.Faults{At: registrytest.MidUpload, Status: 503}, 503, false, len(quirksContent) / 2},
		{"cut in the middle", registrytest.Faults{At: registrytest.MidUpload, Cut: true}, 0, false, len(quirksContent) / 2},
		{"after", registrytest.Faults{At: registrytest.BeforeAnswer, Reset: true}, 0, true, len(quirksContent)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := quirksServer(t, nil)
			d := digest.FromString(quirksContent).String()
			resp, _, err := quirksDo(t, "POST", s.URL+"/v2/team/app/blobs/uploads/", nil, "")
			if err != nil {
				t.Fatal(err)
			}
			tc.faults.Match = registrytest.All(registrytest.Uploads, registrytest.Method("PUT"))
			s.SetFaults(&tc.faults)
			s.Reset()
			resp, _, _ = quirksDo(t, "PUT", quirksNext(t, resp, "digest="+d), nil, quirksContent)
			if got := s.Requests()[0]; got.Status != tc.status || got.Received != int64(tc.taken) {
				t.Errorf("the server saw %v with %d bytes, want %d with %d", got, got.Received, tc.status, tc.taken)
			}
			if resp != nil && resp.StatusCode != tc.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tc.status)
			}
			resp, _, err = quirksDo(t, "HEAD", s.URL+"/v2/team/app/blobs/"+d, nil, "")
			if err != nil || (resp.StatusCode == 200) != tc.kept {
				t.Errorf("afterwards: %v %v, want kept %t", resp.StatusCode, err, tc.kept)
			}
		})
	}
}

func TestStall(t *testing.T) {
	for name, at := range map[string]registrytest.Point{"before the headers": registrytest.BeforeHeaders, "in the body": registrytest.MidBody} {
		t.Run(name, func(t *testing.T) {
			s := registrytest.New(nil)
			blob := quirksBlob(t, s, quirksContent)
			s.SetFaults(&registrytest.Faults{Stall: true, At: at})
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, "GET", blob, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("ended with %v, not by its own deadline", err)
			}
			hung := make(chan error, 1)
			go func() {
				_, err := http.Get(blob + "?2")
				if err == nil {
					err = errors.New("an answer")
				}
				hung <- err
			}()
			time.Sleep(20 * time.Millisecond)
			s.Close() // ends what still hangs
			select {
			case <-hung:
			case <-time.After(5 * time.Second):
				t.Error("Close does not end a stalled answer")
			}
		})
	}
}

func TestFaultsOftenEnough(t *testing.T) {
	s := quirksServer(t, nil)
	blob := quirksBlob(t, s, "x")
	run := func(path string, n int) string {
		var outcome bytes.Buffer
		for range n {
			resp, _, err := quirksDo(t, "GET", path, nil, "")
			switch {
			case err != nil:
				outcome.WriteByte('!')
			case resp.StatusCode == 200:
				outcome.WriteByte('.')
			default:
				outcome.WriteByte('5')
			}
		}
		return outcome.String()
	}
	s.SetFaults(&registrytest.Faults{Cut: true, Times: 2}, nil, &registrytest.Faults{Status: 503, Times: 1})
	if got := run(blob, 5); got != "!!5.." {
		t.Errorf("two cuts and a 503: %s", got)
	}
	share := &registrytest.Faults{Status: 503, Probability: 0.3, Seed: 1}
	s.SetFaults(share)
	first := run(blob, 200)
	if n := strings.Count(first, "5"); n < 40 || n > 80 {
		t.Errorf("%d of 200 failed, want about 60", n)
	}
	s.SetFaults(share)
	var again strings.Builder
	for range 200 { // the same, with another path between
		run(s.URL+"/v2/", 1)
		again.WriteString(run(blob, 1))
	}
	if first != again.String() {
		t.Errorf("chance depends on what else is asked:\n%s\n%s", first, again.String())
	}
	share.Seed = 2
	s.SetFaults(share)
	if run(blob, 200) == first {
		t.Error("the seed changes nothing")
	}
}

func TestFaultsAfterTheChallenge(t *testing.T) {
	s := quirksServer(t, &registrytest.Options{Auth: registrytest.Basic, AnonymousPull: true, Users: map[string]string{"me": "x"}})
	s.SetFaults(&registrytest.Faults{Cut: true, At: registrytest.BeforeAnswer, Times: 1})
	if resp, _, err := quirksDo(t, "POST", s.URL+"/v2/team/app/blobs/uploads/", nil, ""); err != nil || resp.StatusCode != 401 {
		t.Fatalf("the challenge: %v %v", resp, err)
	}
	if resp, _, err := quirksDo(t, "GET", s.URL+"/v2/team/app/tags/list", nil, ""); err == nil {
		t.Errorf("the fault was used up by the challenge: %v", resp)
	}
}
