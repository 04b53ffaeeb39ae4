package verify_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/verify"
)

type wrapped struct {
	io.Reader
	v *verify.Reader
}

func (w wrapped) Verifying() *verify.Reader { return w.v }

func TestEnsure(t *testing.T) {
	desc := ocispec.Descriptor{Digest: digest.FromString("chart"), Size: 5}
	other := ocispec.Descriptor{Digest: digest.FromString("other"), Size: 5}
	verifying := func() wrapped {
		v, err := verify.NewReader(strings.NewReader("chart"), desc)
		if err != nil {
			t.Fatal(err)
		}
		return wrapped{v, v}
	}
	begun := verifying()
	begun.Read(make([]byte, 1))
	for _, tc := range []struct {
		name string
		r    io.Reader
		desc ocispec.Descriptor
		same bool
	}{
		{"plain", strings.NewReader("chart"), desc, false},
		{"verifying", verifying(), desc, true},
		{"verifying other content", verifying(), other, false},
		{"begun", begun, desc, false},
	} {
		got, err := verify.Ensure(tc.r, tc.desc)
		if err != nil || (got == tc.r) != tc.same {
			t.Errorf("%s: %T, %v, want the same reader: %v", tc.name, got, err, tc.same)
		}
	}
}

func TestReader(t *testing.T) {
	want := ocispec.Descriptor{Digest: digest.FromString("chart"), Size: 5}
	for _, tc := range []struct {
		name, in string
		desc     ocispec.Descriptor
		mismatch bool
	}{
		{"same", "chart", want, false},
		{"sha512", "chart", ocispec.Descriptor{Digest: digest.SHA512.FromString("chart"), Size: 5}, false},
		{"empty", "", ocispec.Descriptor{Digest: digest.FromString("")}, false},
		{"other", "chars", want, true},
		{"short", "char", want, true},
		{"long", "charts", want, true},
		{"much longer", "charts and more", want, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tc.in), iotest.DataErrReader(strings.NewReader(tc.in)), iotest.OneByteReader(strings.NewReader(tc.in))} {
				v, err := verify.NewReader(r, tc.desc)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(v)
				if errors.Is(err, verify.ErrMismatch) != tc.mismatch {
					t.Errorf("error = %v, want mismatch %v", err, tc.mismatch)
				}
				if int64(len(got)) > tc.desc.Size {
					t.Errorf("handed out %d bytes of %d", len(got), tc.desc.Size)
				}
				if _, again := v.Read(make([]byte, 1)); err != nil && again != err {
					t.Errorf("second read: %v, want %v", again, err)
				}
			}
			if err := verify.Bytes([]byte(tc.in), tc.desc); errors.Is(err, verify.ErrMismatch) != tc.mismatch {
				t.Errorf("Bytes: %v, want mismatch %v", err, tc.mismatch)
			}
		})
	}
	for _, d := range []digest.Digest{"", "sha256:12", "md5:d41d8cd98f00b204e9800998ecf8427e"} {
		if _, err := verify.NewReader(strings.NewReader(""), ocispec.Descriptor{Digest: d}); err == nil {
			t.Errorf("digest %q was accepted", d)
		}
	}
}
