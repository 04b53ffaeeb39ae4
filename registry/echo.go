package registry

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"github.com/portolan-oci/portolan/internal/redact"
)

// echoBody is the body of a refusal without what the request held, which some
// servers repeat there: "invalid token eyJ…". Whoever makes an error of it, this
// package or oras-go, shows words of it. Beyond maxErrorBody nobody looks.
type echoBody struct {
	io.ReadCloser
	req  *http.Request
	rest io.Reader // nil: nothing was read yet
}

func (b *echoBody) Read(p []byte) (int, error) {
	if b.rest == nil {
		data, err := io.ReadAll(io.LimitReader(b.ReadCloser, maxErrorBody))
		data = hideEchoes(data, redact.Echoes(b.req))
		b.rest = bytes.NewReader(data)
		if err == nil && len(data) > 0 {
			b.rest = io.MultiReader(b.rest, b.ReadCloser)
		} else if err != nil {
			b.rest = io.MultiReader(b.rest, failing{err})
		}
	}
	return b.rest.Read(p)
}

// echoes are those of a request with what its host's configuration adds to it,
// see hostEntry.send: a redirect may repeat them, and errors and the log show
// where it led.
func (h *hosts) echoes(req *http.Request) []string {
	whole := &http.Request{URL: req.URL, Header: req.Header.Clone()}
	for name, values := range h.lookup(req.URL.Host).config.Header {
		whole.Header[http.CanonicalHeaderKey(name)] = values
	}
	return redact.Echoes(whole.WithContext(req.Context()))
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// hideEchoes looks into JSON's strings, too, which may be escaped.
func hideEchoes(data []byte, secrets []string) []byte {
	if len(secrets) == 0 {
		return data
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if d.Decode(&v) == nil {
		if hidden, changed := hideIn(v, secrets); changed {
			if again, err := json.Marshal(hidden); err == nil {
				data = again
			}
		}
	}
	return []byte(redact.Hide(string(data), secrets))
}

func hideIn(v any, secrets []string) (hidden any, changed bool) {
	switch v := v.(type) {
	case string:
		text := redact.Hide(v, secrets)
		return text, text != v
	case []any:
		for i, e := range v {
			h, c := hideIn(e, secrets)
			v[i], changed = h, changed || c
		}
	case map[string]any:
		for k, e := range v {
			h, c := hideIn(e, secrets)
			v[k], changed = h, changed || c
		}
	}
	return v, changed
}
