package chart_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// zeros is an endless file.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// bomb is a small archive of a chart with a file of size zeros.
func bomb(t testing.TB, size int64) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	err := errors.Join(
		tw.WriteHeader(&tar.Header{Name: "pier/Chart.yaml", Mode: 0o644, Size: int64(len(chartYAML))}),
		func() error { _, err := io.WriteString(tw, chartYAML); return err }(),
		tw.WriteHeader(&tar.Header{Name: "pier/bomb", Mode: 0o644, Size: size}),
		func() error { _, err := io.CopyN(tw, zeros{}, size); return err }(),
		tw.Close(), zw.Close())
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// rawEntry is a header as no writer makes it (POSIX ustar), and what follows
// it, padded. The size is what the header says, in octal or as it stands.
func rawEntry(kind byte, name, size, body string) []byte {
	h := make([]byte, 512, 1024)
	copy(h, name)
	copy(h[100:], "0000644\x00")
	copy(h[108:], "0000000\x00")
	copy(h[116:], "0000000\x00")
	copy(h[124:136], size)
	copy(h[136:], "00000000000\x00")
	h[156] = kind
	copy(h[257:], "ustar\x0000")
	seal(h)
	h = append(h, body...)
	return append(h, make([]byte, (512-len(body)%512)%512)...)
}

// seal writes the checksum of a header.
func seal(h []byte) {
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h[:512] {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
}

func octal(n int) string { return fmt.Sprintf("%011o\x00", n) }

// rawFile is an entry of the size that it says.
func rawFile(kind byte, name, body string) []byte {
	return rawEntry(kind, name, octal(len(body)), body)
}

// pax is an extended header for the entry that follows, of "key=value" records.
func pax(records ...string) []byte {
	var b strings.Builder
	for _, r := range records {
		n := len(r) + 3 // blank, newline, one digit at least
		for len(fmt.Sprint(n))+len(r)+2 != n {
			n++
		}
		fmt.Fprintf(&b, "%d %s\n", n, r)
	}
	return rawFile('x', "PaxHeaders/x", b.String())
}

// raw joins entries behind a good Chart.yaml into an archive.
func raw(t testing.TB, entries ...[]byte) []byte {
	t.Helper()
	all := append([][]byte{rawFile('0', "pier/Chart.yaml", chartYAML)}, entries...)
	return gzipped(t, append(bytes.Join(all, nil), make([]byte, 1024)...))
}

func paxHeaders(t testing.TB, n int) []byte {
	t.Helper()
	return gzipped(t, bytes.Repeat(pax("X.y="+strings.Repeat("z", 60_000)), n))
}
