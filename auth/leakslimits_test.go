package auth

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// leaksEndless is a body without an end, of which it is counted how much was
// read.
type leaksEndless struct{ read int }

func (b *leaksEndless) Read(p []byte) (int, error) {
	b.read += len(p)
	return copy(p, strings.Repeat("x", len(p))), nil
}

func (b *leaksEndless) Close() error { return nil }

// Of an error's body 8 KiB are read, and none of it is shown.
func Test56ErrorBodiesAreBounded(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		body := &leaksEndless{}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://r.example/v2/", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = newSigner(t, nil).Do(req, Hint{}, func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(io.LimitReader(body, 1<<20)), Request: req}, nil
		})
		if err == nil || strings.Contains(err.Error(), "xx") || body.read > 2*maxErrorBody {
			t.Errorf("%d: %d bytes were read, %v", status, body.read, err)
		}
	}
}
