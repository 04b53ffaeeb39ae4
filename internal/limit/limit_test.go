package limit_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/portolan-oci/portolan/internal/limit"
)

func TestReadAll(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		max      int64
		exceeded bool
	}{
		{"below", "abc", 4, false},
		{"exact", "abcd", 4, false},
		{"above", "abcde", 4, true},
		{"empty at zero", "", 0, false},
		{"one at zero", "a", 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tc.in), iotest.OneByteReader(strings.NewReader(tc.in))} {
				got, err := limit.ReadAll(r, tc.max)
				if errors.Is(err, limit.ErrExceeded) != tc.exceeded {
					t.Fatalf("error = %v, want exceeded %v", err, tc.exceeded)
				}
				if !tc.exceeded && string(got) != tc.in {
					t.Errorf("got %q, want %q", got, tc.in)
				}
				if int64(len(got)) > tc.max {
					t.Errorf("got %d bytes, more than the limit of %d", len(got), tc.max)
				}
			}
		})
	}
}
