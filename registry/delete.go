package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/ocijson"
)

// Delete removes a manifest, with all tags that name it, or a blob; the media
// type of desc tells which, its digest which one, and its size is not looked
// at. A blob costs one DELETE. A manifest costs one GET before it, for its
// subject; where it has one and the registry keeps the referrers under a tag,
// it leaves that list too, with two GETs and one PUT more. That comes last: if
// it fails, the manifest is gone, the error says so, and the list names one
// that is not there.
//
// What refers to a deleted manifest, and what only it referred to, is left to
// the registry's garbage collection.
//
// It matches ErrNotFound when there is no such content, ErrUnsupported at a
// registry that deletes nothing, or not this (OCI distribution spec 1.1,
// Content Management, leaves it to them), and ErrInvalidReference for a digest
// that is none. The token is asked for with ActionDelete.
func (r *Repository) Delete(ctx context.Context, desc ocispec.Descriptor) error {
	ref := r.ref.WithDigest(desc.Digest)
	if err := desc.Digest.Validate(); err != nil {
		return &Error{Op: "delete", Reference: r.ref, Kind: ErrInvalidReference, Err: fmt.Errorf("digest %.100q: %w", desc.Digest, err)}
	}
	if !ocijson.IsManifest(desc.MediaType) {
		return hintInUse(WrapError("delete", ref, r.delete(ctx, "blobs/"+desc.Digest.String())))
	}
	subject, err := r.deleting().subjectIn(ctx, desc.Digest)
	if err != nil {
		return WrapError("delete", ref, err)
	}
	if err := r.delete(ctx, "manifests/"+desc.Digest.String()); err != nil {
		return hintInUse(WrapError("delete", ref, err))
	}
	if subject == "" {
		return nil
	}
	// Opened to be written, so that the list is the origin's, not a mirror's.
	if err := r.WithActions(ActionPull, ActionPush).dropReferrer(ctx, subject, desc.Digest); err != nil {
		err = WrapError("unlist referrer", ref, err)
		if e, ok := errors.AsType[*Error](err); ok && e.Hint == "" {
			e.Hint = "the manifest is deleted, and still listed among the referrers of " + subject.String()
		}
		return err
	}
	return nil
}

// Untag removes a tag with one DELETE, and asks for nothing else: the manifest
// that it names is never deleted by its digest in its place. What a registry
// makes of a manifest without tags is its own rule: some keep it, some collect
// it, and a few that know tags by their manifests only delete that with all
// its tags. Where other tags matter, look before and after.
//
// It matches ErrNotFound when there is no such tag, ErrUnsupported at a
// registry that deletes no tags (those before the OCI distribution spec 1.1
// take digests alone), and ErrInvalidReference when tag is none.
func (r *Repository) Untag(ctx context.Context, tag string) error {
	ref, err := r.object("untag", tag)
	if err == nil && ref.Digest != "" {
		err = &Error{Op: "untag", Reference: ref, Kind: ErrInvalidReference, Err: errors.New("a digest is no tag"), Hint: "give the tag alone"}
	}
	if err != nil {
		return err
	}
	err = WrapError("untag", ref, r.delete(ctx, "manifests/"+ref.Tag))
	// That is how distribution before 3.0, and what is built on it, says that
	// a tag is no digest.
	if e, ok := errors.AsType[*Error](err); ok && e.StatusCode == http.StatusBadRequest && slices.Contains(e.Codes, "DIGEST_INVALID") {
		e.Kind, e.Hint = ErrUnsupported, "this registry deletes manifests by their digest alone, with all their tags"
	}
	return err
}

// deleting is r with tokens that may delete as well as whatever else it does.
func (r *Repository) deleting() *Repository {
	actions := r.actions
	if len(actions) == 0 {
		actions = []string{ActionPull}
	}
	if slices.Contains(actions, ActionDelete) {
		return r
	}
	return r.WithActions(append(slices.Clone(actions), ActionDelete)...)
}

// delete sends one DELETE for an object of the repository.
func (r *Repository) delete(ctx context.Context, path string) error {
	to := r.deleting()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, to.url(path).String(), nil)
	if err != nil {
		return err
	}
	resp, err := engine{repo: to}.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 400 {
		err := failure(resp)
		to.learnRefusedDelete(path, err)
		return err
	}
	drain(resp.Body)
	switch resp.StatusCode {
	case http.StatusAccepted, http.StatusNoContent:
		return nil
	case http.StatusOK:
		return to.confirmGone(ctx, path)
	}
	return fmt.Errorf("the registry answers %d, which does not say that it deletes", resp.StatusCode)
}

// isInUse tells zot's refusal to delete what an index names or a manifest
// needs: 405 and DENIED. A registry that deletes nothing says UNSUPPORTED, or
// nothing in particular.
func isInUse(err error) bool {
	e, ok := errors.AsType[*Error](WrapError("", Reference{}, err))
	return ok && e.StatusCode == http.StatusMethodNotAllowed && slices.Contains(e.Codes, "DENIED")
}

// hintInUse says what to do about content that is in use.
func hintInUse(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Hint != "" || !isInUse(err) {
		return err
	}
	told := *e
	told.Hint = "the registry keeps what an index names or a manifest needs: delete that first"
	return &told
}

// learnRefusedDelete takes from a 405 that this registry deletes nothing, or no
// tags.
func (r *Repository) learnRefusedDelete(path string, err error) {
	if statusOf(err) != http.StatusMethodNotAllowed || isInUse(err) {
		return
	}
	_, object := cutLast(path)
	r.client.known.edit(r.ref.Host, func(k *Capabilities, now time.Time) {
		if digest.Digest(object).Validate() == nil {
			learnedSupport(&k.Delete, now, false)
		} else {
			learnedSupport(&k.Untag, now, false)
		}
	})
}

// manifestTypes are those of every manifest: a registry may answer 404 for one
// whose type is not asked for.
var manifestTypes = []string{ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex,
	"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json", "*/*"}

// confirmGone asks again where the answer was not the spec's 202: some
// registries answer 200 to a DELETE, and so does anything that a redirect has
// made a GET of it.
func (r *Repository) confirmGone(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, r.url(path).String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", strings.Join(manifestTypes, ", "))
	resp, err := engine{repo: r}.Do(req)
	if err != nil {
		return err
	}
	drain(resp.Body)
	if resp.StatusCode != http.StatusNotFound {
		return fmt.Errorf("the registry answers 200, and has not deleted it: %w", ErrUnsupported)
	}
	return nil
}

// subjectIn returns the digest of a manifest's subject, if it has one.
func (r *Repository) subjectIn(ctx context.Context, manifest digest.Digest) (digest.Digest, error) {
	desc, rc, err := r.FetchReference(ctx, manifest.String())
	if err != nil {
		return "", err
	}
	defer rc.Close()
	data, err := limit.ReadAll(rc, maxManifest)
	if err != nil {
		return "", err
	}
	subject, _ := subjectOf(data, desc)
	return subject, nil
}
