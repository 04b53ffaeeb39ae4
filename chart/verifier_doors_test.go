package chart_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// TestVerifierAtEveryDoor wants nothing to be written, and nothing to be handed
// out, before the Verifier has let it pass, wherever a chart comes in.
func TestVerifierAtEveryDoor(t *testing.T) {
	var seen chart.Subject
	var answer error
	v := judge(func(_ context.Context, s chart.Subject) (string, error) {
		seen = s
		return "alice", answer
	})
	ctx := t.Context()
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	client := h.verified(t, cache.Policy{}, v)
	dir := createLayout(t)
	file := filepath.Join(t.TempDir(), "voyage.tgz")
	packed := voyage(t, "1.0.0")
	archive, err := io.ReadAll(packed.Archive().Reader())
	if err != nil {
		t.Fatal(err)
	}
	copyTo := func(from chart.CopySource, to chart.CopyTarget) ([]string, error) {
		done, err := client.Copy(ctx, from, to, chart.CopyOptions{})
		if err != nil {
			return nil, err
		}
		return done.VerifiedBy, nil
	}
	fromRegistry := h.from(t, h.repo.WithTag("1.0.0"))
	for _, door := range []struct {
		name    string
		through func() ([]string, error)
		entered func() bool
	}{
		{"copy into a layout", func() ([]string, error) {
			return copyTo(fromRegistry, chart.CopyTarget{Target: dir})
		}, func() bool {
			_, err := dir.Resolve(ctx, "1.0.0")
			return err == nil
		}},
		{"copy into a file", func() ([]string, error) {
			return copyTo(fromRegistry, chart.CopyTarget{Archive: file})
		}, func() bool {
			_, err := os.Stat(file)
			return err == nil
		}},
		{"copy of a packed chart", func() ([]string, error) {
			return copyTo(chart.CopySource{Source: packed}, h.to(t, h.repo.WithTag("edge")))
		}, func() bool {
			_, err := h.client.Resolve(ctx, h.repo.WithTag("edge"), chart.Selector{})
			return err == nil
		}},
		{"adopt", func() ([]string, error) {
			adopted, err := client.Adopt(ctx, packed.Layer.Digest, func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(archive)), nil
			}, nil)
			if err != nil {
				return nil, err
			}
			return []string{"alice"}, adopted.Close()
		}, nil},
	} {
		t.Run(door.name, func(t *testing.T) {
			answer = fmt.Errorf("%w: forged", chart.ErrVerification)
			if _, err := door.through(); !errors.Is(err, chart.ErrVerification) {
				t.Errorf("refused: %v", err)
			}
			if door.entered != nil && door.entered() {
				t.Error("what was refused has been written")
			}
			answer = nil
			by, err := door.through()
			if err != nil || !slices.Equal(by, []string{"alice"}) {
				t.Errorf("let pass: %q, %v", by, err)
			}
			if seen.Name != "voyage" || seen.Manifest.Digest == "" || seen.Layers == nil || seen.Layers.Chart.Digest != packed.Layer.Digest {
				t.Errorf("judged %+v", seen)
			}
		})
	}
}

// TestVerifierOfIndex: an index holds more than a Verifier judges.
func TestVerifierOfIndex(t *testing.T) {
	ctx := t.Context()
	h := newHarbour(t, registrytest.Options{}, cache.Policy{})
	h.push(t, "1.0.0")
	repo := h.to(t, h.repo).Target
	one, err := repo.Resolve(ctx, "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	put(t, repo, ocispec.MediaTypeImageIndex, "both", ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{one}})
	client := h.verified(t, cache.Policy{}, says("alice", nil))
	from := h.from(t, h.repo.WithTag("both"))
	for _, chartOnly := range []bool{false, true} {
		to := createLayout(t)
		done, err := client.Copy(ctx, from, chart.CopyTarget{Target: to}, chart.CopyOptions{ChartOnly: chartOnly})
		if chartOnly && (err != nil || done.Manifest.Digest != one.Digest) {
			t.Errorf("its chart alone: %+v, %v", done, err)
		}
		if _, there := to.Resolve(ctx, "both"); !chartOnly && (!errors.Is(err, chart.ErrVerification) || there == nil) {
			t.Errorf("whole: %v, written %v", err, there == nil)
		}
	}
}
