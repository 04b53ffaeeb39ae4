package chart

import (
	"fmt"
	"math"

	"github.com/portolan-oci/portolan/internal/ocijson"
)

// The defaults of Limits.
const (
	// DefaultTotal is what Helm decompresses of one archive: 100 MiB.
	DefaultTotal int64 = 100 << 20
	// DefaultFile is what Helm 3 loads of one file: 5 MiB. (Helm 4.3 has
	// dropped this limit.)
	DefaultFile int64 = 5 << 20
	// DefaultEntries is some ten times the largest public charts, which have a
	// thousand files. It also bounds memory: a reader remembers each path and
	// each directory above it in about 40 bytes, so that a hostile archive
	// (every path DefaultDepth deep, no directory shared) costs at most
	// 10,000 × 32 × 40 bytes ≈ 12 MiB and a real one some 100 KiB.
	DefaultEntries = 10_000
	// DefaultDepth allows for fourteen charts nested in each other
	// (charts/x/charts/y/…) with files four elements below the innermost.
	DefaultDepth = 32
)

const (
	// maxName is Linux's PATH_MAX / 4: longer paths cannot be unpacked
	// everywhere, and each costs its length in memory while it is checked.
	maxName = 1024
	// maxMetadata bounds Chart.yaml, requirements.yaml and .helmignore, which
	// are read whole. A registry must take manifests of 4 MiB (OCI distribution
	// spec 1.1), and the manifest repeats Chart.yaml's annotations; the largest
	// public Chart.yaml has 70 KiB. For what YAML takes in memory see
	// maxExpanded.
	maxMetadata = 1 << 20
	// maxExpanded bounds what YAML with aliases stands for: the bytes of its
	// texts as JSON spells them, each alias replaced by what it names, and
	// nodeWeight for each mapping, list and text. It is eight times maxMetadata.
	// Reading it takes 50 MiB of memory, measured with the longest texts and
	// with the most nodes that pass; maxMetadata without any alias takes 150 at
	// most ("[{a: 1}, {a: 1}, …"), and 20 as charts are written.
	maxExpanded = 8 << 20
	// nodeWeight is the least that a node takes while it is decoded.
	nodeWeight = 64
	// maxProvenance: a .prov file holds Chart.yaml, a checksum and a signature.
	maxProvenance = maxMetadata + 256<<10
	// maxManifest is the size up to which registries must take a manifest (OCI
	// distribution spec 1.1, Pushing Manifests).
	maxManifest = ocijson.MaxSize
)

// Limits bound what a chart may take. They count the unpacked content, and
// hold for reading and for packaging. A zero field has its default, a negative
// one is an error.
type Limits struct {
	Total   int64 // bytes of all files; default DefaultTotal
	File    int64 // bytes of one file; default DefaultFile, and Total for a lenient reader, as in Helm 4.3
	Entries int   // files and directories; default DefaultEntries
	Depth   int   // elements of one path below the chart's root; default DefaultDepth
}

func (l Limits) resolve(lenient bool) (Limits, error) {
	if l.Total < 0 || l.File < 0 || l.Entries < 0 || l.Depth < 0 {
		return l, fmt.Errorf("chart: negative limit in %+v", l)
	}
	if l.Total == 0 {
		l.Total = DefaultTotal
	}
	if l.File == 0 && lenient {
		l.File = l.Total
	}
	if l.File == 0 {
		l.File = min(DefaultFile, l.Total)
	}
	if l.Entries == 0 {
		l.Entries = DefaultEntries
	}
	if l.Depth == 0 {
		l.Depth = DefaultDepth
	}
	return l, nil
}

// stream bounds the decompressed tar stream, which holds more than its files:
// for each entry a header of 512 bytes, padding of up to 511, and at most
// 3 KiB for a long name in PAX or GNU form (a header of 512 bytes, the name of
// up to maxName twice over, padding); at the end zeros, which tar rounds up to
// 10 KiB and some tools to 1 MiB. Without it, headers that carry no entry
// could go on for ever.
func (l Limits) stream() int64 {
	const perEntry, tail = 4 << 10, 1 << 20
	entries := min(int64(l.Entries), math.MaxInt64/4/perEntry)
	return min(l.Total, math.MaxInt64/2) + entries*perEntry + tail
}

// packed bounds the compressed stream: deflate adds five bytes to a block of
// 64 KiB that it cannot compress, and gzip's header has room for a comment.
func (l Limits) packed() int64 {
	s := l.stream()
	return s + s/1024 + 64<<10
}

// ioBuffer makes system calls few where compression would make them small.
const ioBuffer = 64 << 10
