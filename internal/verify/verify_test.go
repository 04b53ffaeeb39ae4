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
