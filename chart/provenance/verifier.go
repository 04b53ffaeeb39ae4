package provenance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/internal/version"
)

// Options change what a Verifier accepts. The zero value, like nil, is strict.
type Options struct {
	// AnyName accepts a chart whose name is not chart.Subject's, as where its
	// repository is called otherwise. Whoever holds a trusted key for one chart can then put that
	// chart in the place of any other.
	AnyName bool
	// Now is the time at which keys and signatures must be valid. nil:
	// time.Now.
	Now func() time.Time
}

// Verifier is a chart.Verifier that wants a provenance file. It is immutable
// and safe for concurrent use.
type Verifier struct {
	keys    *Keyring
	options Options
}

var _ chart.Verifier = (*Verifier)(nil)

// NewVerifier makes a verifier that trusts the keys of a keyring, all of them
// for every chart. Without one it is an error.
func NewVerifier(keys *Keyring, opts *Options) (*Verifier, error) {
	if keys == nil || len(keys.entities) == 0 {
		return nil, fmt.Errorf("%w: nobody is trusted", ErrKeyring)
	}
	v := &Verifier{keys: keys}
	if opts != nil {
		v.options = *opts
	}
	if v.options.Now == nil {
		v.options.Now = time.Now
	}
	return v, nil
}

// Verify reads the subject's provenance file, which costs one request at most,
// and checks it against the digest of the archive, as the function Verify
// does; no byte of the archive is needed. Beyond that, the signed name must be
// the subject's, which is the last element of the repository, and the signed
// version the one of the tag, in any spelling; under a short tag, such as 1.2,
// one of its series. A tag that is no version, such as latest, and a digest
// alone do not say which version is wanted: any that is signed will do.
//
// It answers with the signer, as Verification.String has it. The error matches
// chart.ErrVerification, also where the chart has no provenance file; where
// that cannot be fetched, it is the one of chart.Subject's ReadProvenance.
func (v *Verifier) Verify(ctx context.Context, subject chart.Subject) (string, error) {
	if subject.Layers == nil || subject.Layers.Provenance == nil {
		return "", fmt.Errorf("%w: the chart has no provenance file", chart.ErrVerification)
	}
	prov, err := subject.ReadProvenance(ctx)
	if errors.Is(err, chart.ErrTooLarge) {
		return "", fmt.Errorf("%w: %w", chart.ErrVerification, err)
	}
	if err != nil {
		return "", err
	}
	found, err := Verify(prov, subject.Layers.Chart.Digest, v.keys, v.options.Now())
	if err != nil {
		return "", err
	}
	if err := v.wanted(found, subject); err != nil {
		return "", fmt.Errorf("%w: %w", chart.ErrVerification, err)
	}
	return found.String(), nil
}

// wanted compares what was signed with what was asked for: a registry can
// serve any chart under any name.
func (v *Verifier) wanted(found *Verification, subject chart.Subject) error {
	if subject.Name != found.Name && !v.options.AnyName {
		return fmt.Errorf("%s signed the chart %s, and %s is wanted", found, shown(found.Name), shown(subject.Name))
	}
	if !sameVersion(subject.Version, found.Version) {
		return fmt.Errorf("%s signed version %s, and %s is wanted", found, shown(found.Version), shown(subject.Version))
	}
	return nil
}

// sameVersion tells whether a tag read as a version may name a chart of that
// version; an empty one may name any.
func sameVersion(tagged, signed string) bool {
	if tagged == "" {
		return true
	}
	a, err := version.Parse(tagged)
	if err != nil {
		return false
	}
	b, err := version.Parse(signed)
	if err != nil {
		return false
	}
	return version.SameVersion(a, b) || isShort(a) && a.Series() == b.Series()
}

// isShort tells a version of two numbers without more, as in 1.2 or v1.2.
func isShort(v version.Version) bool {
	return v.IsShort() && strings.Contains(v.String(), ".") && !strings.ContainsAny(v.String(), "-+")
}
