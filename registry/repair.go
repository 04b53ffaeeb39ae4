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
	"time"

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
var errTLSExpected = errors.New("the host speaks TLS, and was asked in plain HTTP, as is done for loopback hosts without TLS settings and for hosts configured so: configure TLS for it")

// errBroken is about a connection that broke while an answer was read.
var errBroken = errors.New("the connection broke")

// maxAnswer bounds what is read of an answer that is not a blob: a manifest, or
// a page of a list.
const maxAnswer = maxManifest

// repair makes the response of an endpoint what the spec promises, so that
// what reads it need not know better. It answers asked, which decides, not
// where redirects ended; and messages that name the request must not show the
// signed URL of a storage service.
func (e engine) repair(asked *http.Request, resp *http.Response) (*http.Response, error) {
	elsewhere := !sameOrigin(original(resp.Request).URL, resp.Request.URL)
	if _, ok := e.object(asked, "referrers"); ok {
		resp.Request = asked
		return repairReferrers(resp, elsewhere)
	}
	if isHTML(resp) && resp.StatusCode < 400 {
		drain(resp.Body)
		return nil, errNotRegistry
	}
	if resp.StatusCode == http.StatusBadRequest && resp.Request.URL.Scheme == "http" && speaksTLS(resp) {
		drain(resp.Body)
		return nil, errTLSExpected
	}
	if !isRead(asked) {
		return resp, nil
	}
	resp.Request = asked
	if asked.Method == http.MethodHead || resp.StatusCode >= 300 {
		return resp, nil
	}
	if _, ok := e.object(asked, "blobs"); ok {
		// The reader verifies what comes; what the headers say of it adds
		// nothing but ways to fail without a typed error.
		resp.Header.Del("Docker-Content-Digest")
		resp.Header.Del("Accept-Ranges")
		return resp, nil
	}
	content, err := readAnswer(resp)
	if err != nil {
		return nil, err
	}
	if reference, ok := e.object(asked, "manifests"); ok && resp.StatusCode == http.StatusOK {
		return repairManifest(resp, content, reference)
	}
	return resp, nil
}

// readAnswer reads the body of an answer whole, so that what breaks off can be
// asked for again, and puts what it read in its place.
func readAnswer(resp *http.Response) ([]byte, error) {
	late := time.AfterFunc(answerTimeout, func() { resp.Body.Close() })
	content, err := limit.ReadAll(stallGuard(resp.Body), maxAnswer)
	if !late.Stop() {
		err = errSilent
	}
	resp.Body.Close()
	if errors.Is(err, limit.ErrExceeded) {
		return nil, fmt.Errorf("answer: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	resp.Header.Set("Content-Length", strconv.Itoa(len(content)))
	resp.ContentLength = int64(len(content))
	resp.Body = io.NopCloser(bytes.NewReader(content))
	return content, nil
}

// speaksTLS recognises how TLS ports of Go and of nginx answer plain HTTP; Go's
// answer has no header, which is all that a HEAD shows of it.
func speaksTLS(resp *http.Response) bool {
	if resp.Request.Method == http.MethodHead {
		return len(resp.Header) == 0
	}
	timer := time.AfterFunc(drainTimeout, func(body io.Closer) func() { return func() { body.Close() } }(resp.Body))
	defer timer.Stop()
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

// misnamedError is about a manifest that is not what the header of its answer
// says, where nothing else says what it should be.
type misnamedError struct {
	mismatch *verify.Error
	content  digest.Digest
	response *http.Response // under the digest of its content
}

func (e *misnamedError) Error() string { return e.mismatch.Error() }
func (e *misnamedError) Unwrap() error { return e.mismatch }

// repairManifest holds a manifest against its digests: that of the request, or
// else the header's.
func repairManifest(resp *http.Response, content []byte, reference string) (*http.Response, error) {
	want := digest.Digest(reference) // holds a digest, or a tag that is none
	byDigest := want.Validate() == nil
	if !byDigest {
		want = digest.Digest(resp.Header.Get("Docker-Content-Digest"))
	}
	if want.Validate() != nil {
		want = digest.FromBytes(content)
	}
	got := want.Algorithm().FromBytes(content)
	resp.Header.Set("Docker-Content-Digest", got.String())
	if got == want {
		return resp, nil
	}
	size := int64(len(content))
	mismatch := &verify.Error{Want: want, Got: got, WantSize: size, GotSize: size}
	if byDigest {
		return nil, mismatch
	}
	return nil, &misnamedError{mismatch: mismatch, content: got, response: resp}
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
