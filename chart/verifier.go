package chart

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

// ErrVerification: nobody vouches for this content who was asked to, or what
// vouches for it does not fit. Retrying does not help.
var ErrVerification = errors.New("verification failed")

// Verifier decides whether a chart may be used. A Client asks it in each Pull,
// once the manifest is known and before the archive is asked for, whether or
// not the cache has both; in each Copy before anything is written; and in
// Adopt before the chart is handed out. It judges the very manifest that the
// archive is then fetched by.
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
	// Reference is what was asked for, pinned: its digest is set, and its tag
	// where one was chosen or stands beside the digest. The digest is that of
	// Manifest, or of the image index in which that was found. Host and
	// repository are empty for a chart that is not from a registry.
	Reference registry.Reference
	// Name is what the chart must be called: the last element of the
	// repository, or the name that was chosen in an image index. A chart of a
	// layout, an archive or a chart repository says itself what it is called.
	Name string
	// Version is that tag read as a version, "+" for "_": the version that was
	// asked for or chosen. A short one, as in 1.2, may stand for any of its
	// series. Empty where there is no tag, or where it is no version. Of a chart
	// repository it is the version of the archive; in a Copy the one that the
	// target's tag or the file's name will say, where the tag of Reference says
	// less.
	Version string
	// Manifest describes the manifest, and Layers are the parts of the chart
	// that it names. They are not to be changed.
	Manifest ocispec.Descriptor
	Layers   *Layers
	// Source is where the chart is, for signatures that are manifests of their
	// own. In a Pull it is the repository, read through the client's cache, with
	// the client's credentials and cache policy: offline it answers from the
	// cache alone. It is a registry.ReferrerLister where the chart is in a
	// registry or a layout.
	Source registry.Source

	provenance *provenance
}

// subject is what a Verifier is asked about a chart of a chart repository.
func (p *Packed) subject() Subject {
	return Subject{
		Reference: registry.Reference{Digest: p.Manifest.Digest}, Name: p.Metadata.Name, Version: p.Metadata.Version,
		Manifest: p.Manifest, Source: p,
		Layers: p.layers(),
	}
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

// verify asks the client's Verifier, if it has one, and answers who vouches.
func (c *Client) verify(ctx context.Context, subject Subject) ([]string, error) {
	if c.verifier == nil {
		return nil, nil
	}
	registry.TellStep(ctx, registry.Step{Kind: registry.StepVerify, Reference: subject.Reference, Host: subject.Reference.Host})
	if subject.Name == "" {
		subject.Name = path.Base(subject.Reference.Repository)
	}
	if v, ok := versionOf(subject.Reference.Tag); ok && subject.Version == "" {
		subject.Version = v.Version
	}
	by, err := verifyEach(ctx, c.verifier, subject)
	if err != nil {
		what := subject.Reference.String()
		if subject.Reference.Host == "" {
			what = shown(subject.Name + " " + subject.Version + " " + string(subject.Manifest.Digest))
		}
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return by, nil
}
