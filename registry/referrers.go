package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"mime"
	"net/http"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/ocijson"
)

// maxReferrerPages and maxReferrers cut off a list that never ends. Charts
// have a handful of referrers; an image that is scanned each night gets some
// hundred a year. A descriptor with its annotations takes about 1 KiB.
const (
	maxReferrerPages = 1000
	maxReferrers     = 10_000
)

// Referrers calls fn with each page of the manifests whose subject is desc, as
// [ReferrerLister] says, one GET a page. A registry without the referrers API
// costs one GET more, the first time: its list is kept under a tag by those who
// push (OCI distribution spec 1.1, Referrers Tag Schema). So is one that
// answers the API with anything but a list, such as the redirect to a web page
// of ghcr.io.
//
// More than 10,000 referrers are an error. It matches ErrNotFound when there is
// no such repository, and ErrInvalidReference for a digest that is none.
func (r *Repository) Referrers(ctx context.Context, desc ocispec.Descriptor, artifactType string, fn func(referrers []ocispec.Descriptor) error) error {
	ref := r.ref.WithDigest(desc.Digest)
	if err := desc.Digest.Validate(); err != nil {
		return &Error{Op: "list referrers", Reference: r.ref, Kind: ErrInvalidReference, Err: fmt.Errorf("digest %.100q: %w", desc.Digest, err)}
	}
	var own error
	total := 0
	page := func(list []ocispec.Descriptor) error {
		if total += len(list); total > maxReferrers {
			return fmt.Errorf("%w of %d referrers", limit.ErrExceeded, maxReferrers)
		}
		own = fn(list)
		return own
	}
	err := WrapError("list referrers", ref, r.referrersByAPI(ctx, desc.Digest, artifactType, page))
	if own != nil {
		return own
	}
	if total > 0 || !errors.Is(err, ErrRateLimited) && !errors.Is(err, ErrNotFound) {
		return err
	}
	terr := r.referrersByTag(ctx, desc.Digest, artifactType, page)
	switch {
	case own != nil:
		return own
	case total > 0 || r.noReferrers.Load():
		return WrapError("list referrers", ref, terr)
	}
	// The API alone may be limited (artifacthub#4785), or not be known to a
	// registry that calls everything it does not know a missing name. But where
	// there is no list either, that is no proof that there are none.
	return err
}

// referrersByAPI lists them by the API for it; where that is missing, the
// error matches ErrNotFound, and from then on nothing is asked.
func (r *Repository) referrersByAPI(ctx context.Context, subject digest.Digest, artifactType string, fn func([]ocispec.Descriptor) error) error {
	if r.noReferrers.Load() {
		return ErrNotFound
	}
	first := r.url("referrers/" + subject.String())
	if artifactType != "" {
		first = withQuery(first, "artifactType", artifactType)
	}
	asked := false
	err := pages[ocispec.Descriptor]{
		engine: engine{repo: r},
		accept: ocispec.MediaTypeImageIndex,
		most:   maxReferrerPages,
		sizes:  []int{0},
		decode: decodeReferrers,
		key:    func(d ocispec.Descriptor) string { return d.Digest.String() },
	}.each(ctx, first, func(list []ocispec.Descriptor) error {
		asked = true
		return fn(ofType(list, artifactType)) // to filter is the registry's choice
	})
	e, _ := errors.AsType[*Error](WrapError("", Reference{}, err))
	if !asked && e != nil && e.StatusCode == http.StatusNotFound && !slices.Contains(e.Codes, "NAME_UNKNOWN") {
		r.noReferrers.Store(true)
	}
	return err
}

// referrersByTag lists those that are kept under a tag.
func (r *Repository) referrersByTag(ctx context.Context, subject digest.Digest, artifactType string, fn func([]ocispec.Descriptor) error) error {
	index, err := r.referrersIndex(ctx, ReferrersTag(subject), subject)
	if err != nil {
		return err
	}
	if list := ofType(index.Manifests, artifactType); len(list) > 0 {
		return fn(list)
	}
	return nil
}

func ofType(list []ocispec.Descriptor, artifactType string) []ocispec.Descriptor {
	if artifactType == "" {
		return list
	}
	return slices.DeleteFunc(list, func(d ocispec.Descriptor) bool { return d.ArtifactType != artifactType })
}

// decodeReferrers reads one page, which repairReferrers has found to be an
// image index.
func decodeReferrers(resp *http.Response) ([]ocispec.Descriptor, error) {
	data, err := limit.ReadAll(resp.Body, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("list of referrers: %w", err)
	}
	var index ocispec.Index
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("list of referrers: %w", err)
	}
	return index.Manifests, nil
}

// Referrers iterates over the manifests whose subject is desc, of one artifact
// type only unless that is empty. An error is yielded once and ends it. The
// sequence may be used again: it lists anew.
func Referrers(ctx context.Context, lister ReferrerLister, desc ocispec.Descriptor, artifactType string) iter.Seq2[ocispec.Descriptor, error] {
	return func(yield func(ocispec.Descriptor, error) bool) {
		err := lister.Referrers(ctx, desc, artifactType, func(page []ocispec.Descriptor) error {
			for _, d := range page {
				if !yield(d, nil) {
					return errStop
				}
			}
			return nil
		})
		if err != nil && err != errStop {
			yield(ocispec.Descriptor{}, err)
		}
	}
}

// repairReferrers turns whatever means that there is no such API into a plain
// 404, and reads a list within the limits of a manifest: it is one, and as
// little trusted.
func repairReferrers(resp *http.Response, elsewhere bool) (*http.Response, error) {
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusGone, http.StatusNotImplemented:
		return noReferrers(resp), nil
	default:
		if elsewhere || resp.StatusCode/100 == 3 { // of the web page of ghcr.io, which answers 429
			return noReferrers(resp), nil
		}
		return resp, nil
	}
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	content, err := readAnswer(resp)
	if err != nil {
		return nil, fmt.Errorf("list of referrers: %w", err)
	}
	index, err := ocijson.Parse(content)
	if mediaType != ocispec.MediaTypeImageIndex && (err != nil || !index.Has("manifests")) {
		return noReferrers(resp), nil
	}
	if err != nil && !json.Valid(content) {
		err = fmt.Errorf("%w: %w", errMangled, err)
	}
	if err != nil {
		return nil, fmt.Errorf("list of referrers: %w", err)
	}
	resp.Header.Set("Content-Type", ocispec.MediaTypeImageIndex)
	return resp, nil
}

func noReferrers(resp *http.Response) *http.Response {
	resp.Body.Close()
	resp.StatusCode, resp.Status = http.StatusNotFound, "404 Not Found"
	resp.Header = http.Header{}
	resp.ContentLength, resp.Body = 0, http.NoBody
	return resp
}
