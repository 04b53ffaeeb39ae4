package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/ocijson"
)

// pushManifest stores a manifest under a tag or its digest, and lists it among
// the referrers of its subject where the registry does not.
func (r *Repository) pushManifest(ctx context.Context, expected ocispec.Descriptor, from io.Reader, ref Reference, object string) error {
	if expected.Size > maxManifest {
		return WrapError("push", ref, fmt.Errorf("manifest of %d bytes: %w of %d", expected.Size, limit.ErrExceeded, maxManifest))
	}
	from, ended := r.watch(ctx, true, expected, from)
	defer ended()
	source := newUploadContent(from, expected)
	data, err := content.ReadAll(readerFunc(source.take), expected)
	if err != nil {
		return WrapError("push", ref, source.blame(err))
	}
	subject, referrer := subjectOf(data, expected)
	listed := subject == ""
	to := r.remote
	if !listed {
		to = r.engine(engine{repo: r, seen: func(resp *http.Response) {
			// OCI distribution spec 1.1, Pushing Manifests with Subject.
			listed = listed || resp.Header.Get("OCI-Subject") != ""
		}})
		_ = to.SetReferrersCapability(true)
	}
	if err := to.PushReference(ctx, expected, bytes.NewReader(data), object); err != nil {
		if err = r.putFailed(ctx, "push", ref, expected.Digest, err); err != nil {
			return err
		}
	}
	if listed {
		return nil
	}
	return WrapError("list referrer", ref, r.addReferrer(ctx, subject, referrer))
}

// subjectOf returns the digest of a manifest's subject, if it has one, and the
// manifest as the subject's list of referrers describes it.
func subjectOf(manifest []byte, desc ocispec.Descriptor) (subject digest.Digest, referrer ocispec.Descriptor) {
	var m struct {
		ArtifactType string              `json:"artifactType"`
		Subject      *ocispec.Descriptor `json:"subject"`
		Config       ocispec.Descriptor  `json:"config"`
		Annotations  map[string]string   `json:"annotations"`
	}
	if json.Unmarshal(manifest, &m) != nil || m.Subject == nil || m.Subject.Digest.Validate() != nil {
		return "", desc // if it is no manifest, the registry will say so
	}
	if m.ArtifactType == "" {
		m.ArtifactType = m.Config.MediaType
	}
	return m.Subject.Digest, ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size,
		ArtifactType: m.ArtifactType, Annotations: m.Annotations}
}

// How the list of referrers is written where it is a tag.
const (
	// maxIndexing is how often the list is written before it is given up: each
	// time, somebody else has written in between.
	maxIndexing = 10
	// minSettle and maxSettle bound the wait before the list is looked at
	// again; see addReferrer.
	minSettle = 20 * time.Millisecond
	maxSettle = time.Second
)

// addReferrer adds a manifest to the list of its subject's referrers that is
// kept under a tag. The protocol has no way to write it on condition that
// nobody else has, so that of two who write at once one loses (ggcr#2205). What
// can be done is done: after a wait of twice the time that reading and writing
// took, the list is read again, and whatever was seen in it before and is gone
// is written once more. What is left: a writer that is more than twice as slow
// between its own reading and writing, and does not look again itself, such as
// any other client; and a referrer that is deleted in that moment comes back.
//
// The engine's own way reads once, writes once, and deletes the list that it
// replaced, under the hands of whoever is reading it.
func (r *Repository) addReferrer(ctx context.Context, subject digest.Digest, referrer ocispec.Descriptor) error {
	want := []ocispec.Descriptor{referrer}
	return r.editReferrers(ctx, subject, func(index *ocispec.Index) (complete bool) {
		complete = true
		for _, d := range want {
			if !hasDigest(index.Manifests, d.Digest) {
				index.Manifests, complete = append(index.Manifests, d), false
			}
		}
		want = index.Manifests
		return complete
	})
}

// dropReferrer takes a manifest that is no more from the list of its subject's
// referrers, if there is a list. It looks again, as addReferrer does: whoever
// has read the list before writes it back.
func (r *Repository) dropReferrer(ctx context.Context, subject, referrer digest.Digest) error {
	return r.editReferrers(ctx, subject, func(index *ocispec.Index) (complete bool) {
		complete = !hasDigest(index.Manifests, referrer)
		index.Manifests = slices.DeleteFunc(index.Manifests, func(d ocispec.Descriptor) bool { return d.Digest == referrer })
		return complete
	})
}

// editReferrers reads the list of a manifest's referrers, lets edit change it
// and writes it, until edit finds it complete.
func (r *Repository) editReferrers(ctx context.Context, subject digest.Digest, edit func(*ocispec.Index) (complete bool)) error {
	// Within one client, updates of one list take turns: racing each other, they
	// would all take longer. Whoever waits, waits for its own context too.
	tag := ReferrersTag(subject)
	at := r.route.origin
	leave, err := r.client.indexing.take(ctx, apiHost(at.host)+"/"+at.repository+":"+tag)
	if err != nil {
		return err
	}
	defer leave()
	for range maxIndexing {
		start := time.Now()
		index, err := r.referrersIndex(ctx, tag, subject)
		if err != nil || edit(index) {
			return err
		}
		if err := r.putIndex(ctx, index, tag); err != nil {
			return err
		}
		settle := min(max(2*time.Since(start), minSettle), maxSettle)
		wait, cancel := context.WithTimeout(ctx, settle+rand.N(settle/2))
		<-wait.Done()
		cancel()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: others keep writing the list of referrers under the tag %s", ErrUnavailable, tag)
}

// ReferrersTag is the tag under which the referrers of a manifest are listed
// where the registry has no API for them (OCI distribution spec 1.1, Referrers
// Tag Schema): "sha256-" and the hexadecimal digits. The digest must be valid.
// A longer digest than sha256's is cut as the spec says.
func ReferrersTag(subject digest.Digest) string {
	algorithm, encoded := subject.Algorithm().String(), subject.Encoded()
	return algorithm[:min(len(algorithm), 32)] + "-" + encoded[:min(len(encoded), 64)]
}

func hasDigest(list []ocispec.Descriptor, d digest.Digest) bool {
	return slices.ContainsFunc(list, func(has ocispec.Descriptor) bool { return has.Digest == d })
}

// referrersIndex reads the list under a tag; one that is not there is empty.
func (r *Repository) referrersIndex(ctx context.Context, tag string, subject digest.Digest) (*ocispec.Index, error) {
	empty := &ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	desc, rc, err := r.FetchReference(ctx, tag)
	if errors.Is(err, ErrNotFound) {
		return empty, nil
	}
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	if desc.Digest == subject {
		return empty, nil // some registries take the tag for the digest (oras-go)
	}
	data, err := limit.ReadAll(rc, maxManifest)
	if err != nil {
		return nil, err
	}
	if desc.MediaType == ocispec.MediaTypeImageIndex {
		if _, err = ocijson.Parse(data); err == nil {
			err = json.Unmarshal(data, empty)
		}
	} else {
		err = fmt.Errorf("it is of type %.100q", desc.MediaType)
	}
	if err != nil {
		return nil, &Error{Op: "list referrer", Reference: r.ref.WithTag(tag), Kind: ErrExists,
			Err: fmt.Errorf("the tag names something that is no list of referrers: %w", err)}
	}
	return empty, nil
}

func (r *Repository) putIndex(ctx context.Context, index *ocispec.Index, tag string) error {
	data, err := json.Marshal(index)
	if err != nil {
		return err
	}
	if len(data) > maxManifest {
		return fmt.Errorf("list of referrers under the tag %s: %w of %d bytes", tag, limit.ErrExceeded, maxManifest)
	}
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: digest.FromBytes(data), Size: int64(len(data))}
	return r.putFailed(ctx, "list referrer", r.ref.WithTag(tag), desc.Digest, r.remote.PushReference(ctx, desc, bytes.NewReader(data), tag))
}
