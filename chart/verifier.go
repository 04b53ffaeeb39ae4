package chart

import (
	"context"
	"errors"
	"fmt"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/registry"
)

// ErrVerification: nobody vouches for this content who was asked to, or what
// vouches for it does not fit. Retrying does not help.
var ErrVerification = errors.New("verification failed")

// Verifier decides whether a chart may be used. A Client asks it in each Pull,
// once the manifest is known and before the archive is asked for, whether or
// not the cache has both. It judges the very manifest that the archive is then
// fetched by.
//
// Implementations are safe for concurrent use.
type Verifier interface {
	// Verify answers who vouches for the subject, in words for a record such as
	// Origin.VerifiedBy: one line of at most a few hundred bytes, without what a
	// terminal acts on. Nobody, with no error, means that the chart may be used
	// though nobody vouches for it.
	//
	// The error matches ErrVerification where the subject was judged and
	// refused. Any other, such as those of registry.Source, means that it could
	// not be judged. The chart is not handed out either way.
	Verify(ctx context.Context, subject Subject) (by string, err error)
}

// Subject is what a Verifier judges. It is valid during the call.
type Subject struct {
	// Reference names the manifest: its digest is set, and its tag where one
	// was chosen or stands beside the digest.
	Reference registry.Reference
	// Version is that tag read as a version, "+" for "_": the version that was
	// asked for or chosen. A short one, as in 1.2, may stand for any of its
	// series. Empty where there is no tag, or where it is no version.
	Version string
	// Manifest describes the manifest, and Layers are the parts of the chart
	// that it names. They are not to be changed.
	Manifest ocispec.Descriptor
	Layers   *Layers
	// Source is the repository, read through the client's cache, with the
	// client's credentials and cache policy: for signatures that are manifests
	// of their own. Offline it answers from the cache alone.
	Source registry.Source

	provenance *provenance
}

// ReadProvenance returns the chart's provenance file as Pulled.ReadProvenance
// does. Both ask for it once.
func (s Subject) ReadProvenance(ctx context.Context) ([]byte, error) {
	p := s.provenance
	if p == nil { // a Subject that somebody else has made
		p = &provenance{source: s.Source, ref: s.Reference}
		if s.Layers != nil {
			p.desc = s.Layers.Provenance
		}
	}
	return p.read(ctx)
}

// Verifiers joins several into one that asks each in turn and fails with the
// first that does: all must let the chart pass. Of none, it lets nothing pass.
// Pull records each one's answer in Origin.VerifiedBy.
func Verifiers(all ...Verifier) Verifier { return verifiers(append([]Verifier(nil), all...)) }

type verifiers []Verifier

func (v verifiers) Verify(ctx context.Context, subject Subject) (string, error) {
	by, err := verifyEach(ctx, v, subject)
	return strings.Join(by, "; "), err
}

func verifyEach(ctx context.Context, verifier Verifier, subject Subject) ([]string, error) {
	list, several := verifier.(verifiers)
	if !several {
		by, err := verifier.Verify(ctx, subject)
		if err != nil || by == "" {
			return nil, err
		}
		return []string{shown(by)}, nil
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: there is nobody to ask", ErrVerification)
	}
	var all []string
	for _, v := range list {
		by, err := verifyEach(ctx, v, subject)
		if err != nil {
			return nil, err
		}
		all = append(all, by...)
	}
	return all, nil
}

// verify asks the client's Verifier, if it has one, about what Pull has found.
func (c *Client) verify(ctx context.Context, src *cache.Source, p *Pulled, layers *Layers) error {
	if c.verifier == nil {
		return nil
	}
	subject := Subject{
		Reference:  p.Origin.Resolved,
		Version:    p.Version,
		Manifest:   p.Manifest,
		Layers:     layers,
		Source:     src,
		provenance: p.provenance,
	}
	if subject.Version == "" {
		if v, ok := versionOf(subject.Reference.Tag); ok {
			subject.Version = v.Version
		}
	}
	by, err := verifyEach(ctx, c.verifier, subject)
	if err != nil {
		return fmt.Errorf("%s: %w", subject.Reference, err)
	}
	p.Origin.VerifiedBy = by
	return nil
}
