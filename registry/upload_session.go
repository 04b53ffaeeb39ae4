package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// uploadSession is one upload as a registry knows it (OCI distribution spec
// 1.1, Pushing blobs).
type uploadSession struct {
	repo     *Repository
	at       *url.URL // where it goes on; each answer may change that
	minChunk int64    // the registry's least size of a chunk that is not the last; 0: none
	internal bool     // whether the registry is at an internal address
}

// beginUpload asks for a session. nil without an error means that the registry
// wants nothing sent: it has the content.
func (r *Repository) beginUpload(ctx context.Context) (*uploadSession, error) {
	s := &uploadSession{repo: r, at: r.url("blobs/uploads/")}
	seeing := r.client.seeInternal(ctx, r.route.origin, &s.internal)
	req, err := http.NewRequestWithContext(seeing, http.MethodPost, s.at.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := engine{repo: r}.once(req)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusCreated:
		drain(resp.Body)
		return nil, nil
	case http.StatusAccepted:
		drain(resp.Body)
		if resp.Header.Get("Location") == "" {
			return nil, fmt.Errorf("%w: its answer has no Location", errElsewhere)
		}
		s.minChunk, _ = strconv.ParseInt(resp.Header.Get("OCI-Chunk-Min-Length"), 10, 64)
		return s, s.follow(resp)
	}
	return nil, unexpected(resp)
}

// follow goes on where an answer says, if it does.
func (s *uploadSession) follow(resp *http.Response) error {
	location := resp.Header.Get("Location")
	if location == "" {
		return nil
	}
	at, err := s.at.Parse(location)
	if err == nil {
		_, err = url.Parse(at.String()) // of //0:: comes what is none
	}
	if err != nil {
		return fmt.Errorf("%w: to a Location that cannot be read", errElsewhere)
	}
	at.Fragment, at.RawFragment = "", ""
	if at.User != nil {
		return fmt.Errorf("%w: to a Location with a user's name", errElsewhere)
	}
	home := s.repo.url("")
	asked := endpoint{host: s.repo.ref.Host, plainHTTP: s.repo.route.origin.plainHTTP}
	if asked.serves(at) {
		at.Scheme, at.Host = home.Scheme, home.Host
	}
	switch {
	case at.Hostname() == "", at.Scheme != "https" && at.Scheme != "http":
		return fmt.Errorf("%w: to a Location that is no URL of https", errElsewhere)
	case at.Scheme == "http" && home.Scheme != "http":
		return fmt.Errorf("%w: to %s over plain HTTP", errElsewhere, at.Host)
	}
	s.at = at
	return nil
}

// home tells whether the session goes on at the registry itself. Elsewhere it
// gets nothing of what is meant for the registry: neither a credential, nor a
// cookie, a header or a client certificate (GHSA-jxpm-75mh-9fp7).
func (s *uploadSession) home() bool {
	return sameOrigin(s.at, s.repo.url(""))
}

// send makes one request of the session. body may be nil.
func (s *uploadSession) send(ctx context.Context, method string, at *url.URL, body *upload, header http.Header) (*http.Response, error) {
	if body == nil {
		return s.sendGuarded(ctx, nil, method, at, nil, header)
	}
	ctx, guard := guardSend(ctx)
	resp, err := s.sendGuarded(ctx, guard, method, at, body, header)
	stalled := guard.end()
	if err != nil {
		guard.cancel()
		if stalled {
			err = fmt.Errorf("%w: the registry takes no more of the upload", errStalled)
		}
		return nil, err
	}
	resp.Body = &cancelling{resp.Body, guard.cancel}
	return resp, nil
}

func (s *uploadSession) sendGuarded(ctx context.Context, guard *sendGuard, method string, at *url.URL, body *upload, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, at.String(), nil)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
		if req.ContentLength = body.end - body.off; req.ContentLength > 0 { // zero would mean unknown
			req.Body = guard.body(body)
			if body.rewindable() {
				req.GetBody = func() (io.ReadCloser, error) {
					again, err := body.rewind()
					if err != nil {
						return nil, err
					}
					return guard.body(again), nil
				}
			}
		}
	}
	if s.home() {
		return engine{repo: s.repo}.once(req)
	}
	resp, err := s.repo.client.sendElsewhere(req.WithContext(withInternal(ctx, s.internal)))
	if err == nil && resp.StatusCode < 400 && isHTML(resp) {
		drain(resp.Body)
		return nil, errNotRegistry
	}
	return resp, err
}

// put ends the upload with the rest of the content, which may be nothing.
//
// What the answer says of the digest is not looked at: the registry was told
// the digest, and refuses what has another one; and headers that lie exist
// (ggcr, remote/fetcher.go), over which a push that went well must not be lost.
func (s *uploadSession) put(ctx context.Context, desc ocispec.Descriptor, body *upload) error {
	at := *s.at
	// Added to what is there, which is opaque and may be signed as it stands.
	if at.RawQuery != "" {
		at.RawQuery += "&"
	}
	at.RawQuery += url.Values{"digest": {desc.Digest.String()}}.Encode()
	resp, err := s.send(ctx, http.MethodPut, &at, body, nil)
	if err != nil {
		return err
	}
	// 201 is the spec's; 204 is in the Docker registry API's older text, and
	// object stores say 200.
	if slices.Contains([]int{http.StatusCreated, http.StatusOK, http.StatusNoContent}, resp.StatusCode) {
		drain(resp.Body)
		return nil
	}
	return unexpected(resp)
}

// rangePattern is how answers say what has arrived; not all leave the unit out.
var rangePattern = regexp.MustCompile(`^(?:bytes=)?0-([0-9]{1,18})$`)

// received reads how much of the content has arrived. An empty upload is
// reported as 0-0 (distribution), as if it held one byte.
func received(resp *http.Response) (n int64, ok bool) {
	m := rangePattern.FindStringSubmatch(strings.TrimSpace(resp.Header.Get("Range")))
	if m == nil {
		return 0, false
	}
	last, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || last == 0 {
		return 0, err == nil
	}
	return last + 1, true
}

// status asks how much of the content has arrived, in the place of the upload
// that broke off: see blobPush.arrived.
func (s *uploadSession) status(ctx context.Context) (int64, error) {
	resp, err := s.send(resumed(ctx), http.MethodGet, s.at, nil, nil)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusOK {
		return 0, unexpected(resp)
	}
	drain(resp.Body)
	n, ok := received(resp)
	if !ok {
		return 0, errors.New("the registry does not say how much of the upload has arrived")
	}
	return n, s.follow(resp)
}

// cancelTimeout is what the cancelling of an upload may take. Registries
// remove what is left lying by themselves, in time.
const cancelTimeout = 2 * time.Second

// cancel gives the session up, at the registry too if that can be. Elsewhere
// there is nobody to ask.
func (s *uploadSession) cancel(ctx context.Context) {
	if !s.home() || ctx.Err() != nil {
		return
	}
	ctx, stop := context.WithTimeout(ctx, cancelTimeout)
	defer stop()
	if resp, err := s.send(ctx, http.MethodDelete, s.at, nil, nil); err == nil {
		drain(resp.Body)
	}
}

// errOddAnswer is about an answer below 400 that no registry gives.
var errOddAnswer error = &sentinel{"the answer is not a registry's", []error{ErrUnavailable}}

// unexpected makes an error of an answer that is not the one wanted.
func unexpected(resp *http.Response) error {
	if resp.StatusCode >= 400 {
		return failure(resp)
	}
	drain(resp.Body)
	return fmt.Errorf("%w: %d to %s of an upload", errOddAnswer, resp.StatusCode, resp.Request.Method)
}
