package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/registry"
)

func TestCapabilitiesThatCannotBeFound(t *testing.T) {
	answer := func(status int, contentType string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			fmt.Fprint(w, "<html>")
		}))
		t.Cleanup(s.Close)
		return s
	}
	gone := answer(200, "")
	gone.Close()
	for name, tc := range map[string]struct {
		host string
		want error
	}{
		"no answer": {strings.TrimPrefix(gone.URL, "http://"), registry.ErrUnavailable},
		"web page":  {strings.TrimPrefix(answer(200, "text/html").URL, "http://"), registry.ErrUnavailable},
		"broken":    {strings.TrimPrefix(answer(500, "text/plain").URL, "http://"), registry.ErrUnavailable},
		"limited":   {strings.TrimPrefix(answer(429, "text/plain").URL, "http://"), registry.ErrRateLimited},
		"no host":   {"ghcr", registry.ErrInvalidReference},
	} {
		t.Run(name, func(t *testing.T) {
			client := capabilitiesClient(t, &registry.Options{Retry: registry.Retry{Attempts: 1}})
			if _, err := client.Capabilities(t.Context(), registry.Reference{Host: tc.host}); !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
		})
	}
}

// TestCapabilitiesShowNoSecret: a realm with a signature, controls in a header.
func TestCapabilitiesShowNoSecret(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://me:canary@tokens.invalid/token?sig=canary",service="x"`)
		w.Header().Set("Server", "evil\u202e"+strings.Repeat("x", 5000))
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer s.Close()
	got := capabilities(t, capabilitiesClient(t, nil), registry.Reference{Host: strings.TrimPrefix(s.URL, "http://")})
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{string(text), got.String(), fmt.Sprintf("%v", got)} {
		if strings.Contains(shown, "canary") || strings.Contains(shown, "\u202e") || len(shown) > 8000 {
			t.Errorf("%d bytes: %s", len(shown), shown)
		}
	}
	if got.Extensions.Value != nil || got.Catalog.Value != registry.CatalogUnknown {
		t.Errorf("a 401 tells that something is not there: %v", got)
	}
}

// TestCapabilitiesAsJSON: the keys are those of the rows, in their order, and
// what was written reads back.
func TestCapabilitiesAsJSON(t *testing.T) {
	text, err := json.Marshal(registry.Capabilities{Host: "ghcr.io", Catalog: registry.Fact[registry.CatalogAccess]{Value: registry.CatalogAdmin, Source: registry.SourceKnown}})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	dec := json.NewDecoder(strings.NewReader(string(text)))
	depth := 0
	for {
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		switch token {
		case json.Delim('{'):
			depth++
		case json.Delim('}'):
			depth--
		default:
			if key, ok := token.(string); ok && depth == 1 && key != "ghcr.io" {
				keys = append(keys, key)
			}
		}
	}
	want := []string{"host"}
	for _, row := range (registry.Capabilities{}).Rows() {
		want = append(want, row.Name)
		if row.Value != "unknown" || row.Source.String() != "none" {
			t.Errorf("nothing is known, and %+v", row)
		}
	}
	if want = append(want, "requests"); !slices.Equal(keys, want) {
		t.Errorf("keys %q, want %q", keys, want)
	}
	for _, part := range []string{`"catalog":{"value":"admin-only","source":"known","requests":0}`, `"mount":{"value":"unknown","source":"none","requests":0}`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no %s in %s", part, text)
		}
	}
	var back registry.Capabilities
	if err := json.Unmarshal(text, &back); err != nil || back.Catalog.Value != registry.CatalogAdmin || back.Catalog.Source != registry.SourceKnown {
		t.Errorf("read back: %+v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"mount":{"value":"maybe"}}`), &back); err == nil {
		t.Error("maybe is no value")
	}
}
