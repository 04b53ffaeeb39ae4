package registry_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/registry"
)

// FuzzUploadsReceived: what is understood of a Range is what was meant by it.
func FuzzUploadsReceived(f *testing.F) {
	for _, s := range []string{"0-0", "0-1023", "bytes=0-9", "bytes 0-9", "1-9", "-1", "0-", "0-99999999999999999999", "0-00", " 0-5 ", "0--5", "0-5/10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		n, ok := registry.Received(header)
		if !ok {
			if n != 0 {
				t.Errorf("%q: %d, though it says nothing", header, n)
			}
			return
		}
		last := strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(header), "bytes="), "0-"), "0")
		if want := fmt.Sprint(n - 1); n < 0 || n == 0 && last != "" || n > 0 && last != want {
			t.Errorf("%q is read as %d bytes", header, n)
		}
	})
}

// FuzzUploadsLocation: a Location never leads from TLS to plain HTTP, never
// carries a name, and is at the registry only where scheme, host and port are.
func FuzzUploadsLocation(f *testing.F) {
	for _, s := range []string{"/v2/team/app/blobs/uploads/1?_state=a%2Fb", "1", "https://store.example.com/1?sig=x", "http://registry.example.com/1",
		"//store.example.com/1", "https://registry.example.com:443/1", "http://registry.example.com:80/1", "https://registry.example.com.evil.example/1",
		"https://registry.example.com@evil.example/1", "https://registry.example.com:444/1", "HTTPS://REGISTRY.EXAMPLE.COM/1", "ftp://registry.example.com/1",
		"https:opaque", "//", "//0::", "http:///1", "\\\\evil.example\\1", "https://[::1]:5000/1", "?digest=sha256:0", "#"} {
		f.Add(s)
	}
	client, err := registry.NewClient(nil)
	if err != nil {
		f.Fatal(err)
	}
	repo, err := client.Repository(registry.Reference{Host: "registry.example.com", Repository: "team/app"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, location string) {
		at, home, err := registry.Follow(repo, location)
		if err != nil {
			return
		}
		req, err := http.NewRequest(http.MethodPut, at.String(), nil)
		if err != nil {
			t.Fatalf("%q leads to %s: %v", location, at, err)
		}
		if at.Scheme != "https" || at.User != nil || at.Fragment != "" || req.URL.Hostname() == "" || req.URL.User != nil {
			t.Errorf("%q leads to %s", location, at)
		}
		if is := strings.EqualFold(at.Host, "registry.example.com") || strings.EqualFold(at.Host, "registry.example.com:443"); home != is {
			t.Errorf("%q leads to %s: at the registry %v", location, at, home)
		}
	})
}

// FuzzUploadsMissing: what is named as missing is a digest, once, and stands in
// the answer.
func FuzzUploadsMissing(f *testing.F) {
	d := digest.FromString("a").String()
	for _, s := range []string{
		`{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","detail":"` + d + `"}]}`,
		`{"errors":[{"code":"BLOB_UNKNOWN","message":"` + d + ` and ` + d + `","detail":{"digest":["` + d + `"]}}]}`,
		`{"errors":[{"code":"MANIFEST_UNKNOWN"},{"code":"BLOB_UNKNOWN","detail":7}]}`,
		`{"errors":[{"code":"MANIFEST_INVALID","detail":"` + d + `"}]}`, `{"errors":null}`, `[]`, ``,
		`{"errors":[{"code":"BLOB_UNKNOWN","message":"x` + d + `0"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		found, ok := registry.Missing(body)
		if len(found) > 0 && !ok || len(found) > 100 {
			t.Errorf("%d digests, %v", len(found), ok)
		}
		seen := map[digest.Digest]bool{}
		for _, d := range found {
			if d.Validate() != nil || seen[d] {
				t.Errorf("%q", d)
			}
			seen[d] = true
		}
	})
}
