package slowlink_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/internal/slowlink"
)

// The rate is that of all connections together.
func TestRate(t *testing.T) {
	body := bytes.Repeat([]byte("harbour "), 64<<10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(body) }))
	t.Cleanup(server.Close)
	const rate = 2 << 20
	for _, connections := range []int{1, 4} {
		t.Run(fmt.Sprint(connections), func(t *testing.T) {
			t.Parallel()
			link, err := slowlink.New(strings.TrimPrefix(server.URL, "http://"), rate)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			var all sync.WaitGroup
			for range connections {
				all.Go(func() {
					client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
					resp, err := client.Get("http://" + link.Host())
					if err != nil {
						t.Error(err)
						return
					}
					defer resp.Body.Close()
					if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, body) {
						t.Errorf("%d bytes, %v", len(got), err)
					}
				})
			}
			all.Wait()
			took := time.Since(start)
			if err := link.Close(); err != nil {
				t.Error(err)
			}
			if least := int64(connections * len(body)); link.Carried() < least {
				t.Errorf("carried %d bytes, less than the %d that came", link.Carried(), least)
			}
			// A busy machine makes it slower; nothing may make it faster.
			if least := time.Duration(link.Carried()) * time.Second / rate * 9 / 10; took < least {
				t.Errorf("took %s, less than %s", took, least)
			}
		})
	}
}

// Close ends what hangs.
func TestClose(t *testing.T) {
	begun := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	}))
	defer server.Close()
	link, err := slowlink.New(strings.TrimPrefix(server.URL, "http://"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		resp, err := http.Get("http://" + link.Host())
		if err == nil {
			resp.Body.Close()
		}
		ended <- err
	}()
	<-begun
	if err := link.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("an answer came through a closed link")
	}
}
