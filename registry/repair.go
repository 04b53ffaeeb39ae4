package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/verify"
)

// maxManifest is what the OCI distribution spec asks registries to accept at
// least (Pushing Manifests); nobody pushes larger ones.
const maxManifest = 4 << 20

// errNotRegistry is about an answer that no registry gives.
var errNotRegistry = errors.New("the answer is an HTML page, not a registry's: a login page of the network, a proxy, or a wrong host name")

// errTLSExpected is how a TLS port answers plain HTTP.
var errTLSExpected = errors.New("the host speaks TLS, and was asked in plain HTTP, as is done for loopback hosts without TLS settings and for hosts configured so")

// repair makes the response of a registry what the spec promises, so that
// what reads it need not know better.
func (e engine) repair(resp *http.Response) (*http.Response, error) {
	if _, ok := e.object(original(resp.Request), "referrers"); ok {
		return repairReferrers(resp)
	}
	if isHTML(resp) && resp.StatusCode < 400 {
		drain(resp.Body)
		return nil, errNotRegistry
	}
	if resp.StatusCode == http.StatusBadRequest && resp.Request.URL.Scheme == "http" && speaksTLS(resp) {
		drain(resp.Body)
		return nil, errTLSExpected
	}
	if resp.Request.Method != http.MethodGet && resp.Request.Method != http.MethodHead {
		return resp, nil
	}
	// What was asked for decides, not where redirects ended; and messages that
	// name the request must not show the signed URL of a storage service.
	resp.Request = original(resp.Request)
	if resp.StatusCode != http.StatusOK || resp.Request.Method == http.MethodHead {
		return resp, nil
	}
	if reference, ok := e.object(resp.Request, "manifests"); ok {
		return repairManifest(resp, reference)
	}
	if _, ok := e.object(resp.Request, "blobs"); ok {
		// The reader verifies what comes; what the headers say of it adds
		// nothing but ways to fail without a typed error.
		resp.Header.Del("Docker-Content-Digest")
		resp.Header.Del("Accept-Ranges")
		resp.ContentLength = -1
	}
	return resp, nil
}

// speaksTLS recognises how TLS ports of Go and of nginx answer plain HTTP; Go's
// answer has no header, which is all that a HEAD shows of it.
func speaksTLS(resp *http.Response) bool {
	if resp.Request.Method == http.MethodHead {
		return len(resp.Header) == 0
	}
	start, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), resp.Body), resp.Body}
	text := strings.ToLower(string(start))
	return strings.Contains(text, "http request to an https server") || strings.Contains(text, "plain http request was sent to https port")
}

func original(req *http.Request) *http.Request {
	for req.Response != nil && req.Response.Request != nil {
		req = req.Response.Request
	}
	return req
}

// repairManifest reads the manifest, whose length some registries do not tell,
// and holds it against its digests: that of the request, and the header's.
func repairManifest(resp *http.Response, reference string) (*http.Response, error) {
	defer resp.Body.Close()
	content, err := limit.ReadAll(resp.Body, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	want := digest.Digest(reference) // holds a digest, or a tag that is none
	if want.Validate() != nil {
		want = digest.Digest(resp.Header.Get("Docker-Content-Digest"))
		if want.Validate() != nil {
			want = digest.FromBytes(content)
		}
	}
	if got := want.Algorithm().FromBytes(content); got != want {
		size := int64(len(content))
		return nil, &verify.Error{Want: want, Got: got, WantSize: size, GotSize: size}
	}
	resp.Header.Set("Docker-Content-Digest", want.String())
	resp.Header.Set("Content-Length", strconv.Itoa(len(content)))
	resp.ContentLength = int64(len(content))
	resp.Body = io.NopCloser(bytes.NewReader(content))
	return resp, nil
}

// checkHead holds the digest that a HEAD answers with against the one that was
// asked for.
func checkHead(resp *http.Response, reference string) error {
	want, got := digest.Digest(reference), digest.Digest(resp.Header.Get("Docker-Content-Digest"))
	if resp.StatusCode != http.StatusOK || want.Validate() != nil || got == want {
		return nil
	}
	resp.Body.Close()
	return fmt.Errorf("%w: asked for %s, the registry answers with %.100q", verify.ErrMismatch, want, got)
}

func isHTML(resp *http.Response) bool {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return mediaType == "text/html" || mediaType == "application/xhtml+xml"
}
