package chart_test

import (
	"archive/tar"
	"bytes"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/chart"
)

// hostileLimits make bombs small.
var hostileLimits = chart.Limits{Total: 1 << 20, File: 1 << 19, Entries: 100, Depth: 8}

// hostileArchive is one that is refused, and how.
type hostileArchive struct {
	name    string
	data    []byte
	entry   string // named in the error, as it is spelled in the archive; empty: the archive as a whole
	want    error
	says    string
	lenient bool // the lenient reader takes it, as Helm does
}

func hostileArchives(t testing.TB) []hostileArchive {
	good := file("pier/Chart.yaml", chartYAML)
	// bad is the good chart followed by a file of this name.
	bad := func(name string) []byte { return tgz(t, good, file(name, "x")) }
	rawBad := func(name string) []byte { return raw(t, rawFile('0', name, "x")) }
	whole := tgz(t, good, file("pier/values.yaml", strings.Repeat("a: b\n", 100)))
	many := make([]entry, 101)
	for i := range many {
		many[i] = file("pier/"+strings.Repeat("x", i+1), "")
	}
	half := strings.Repeat("x", 500_000)
	checksum := bytes.Clone(whole)
	checksum[len(checksum)-8] ^= 1
	inside := bytes.Clone(whole)
	inside[len(inside)/2] ^= 0xff
	body := tarred(t, good)
	const huge = "\x80\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00" // 2⁶², in base 256
	const negative = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00"
	return []hostileArchive{
		// Names that leave the chart.
		{"parent path", bad("pier/../../evil"), "pier/../../evil", chart.ErrUnsafeArchive, "leads out", false},
		{"parent path within", bad("pier/a/../b"), "pier/a/../b", chart.ErrUnsafeArchive, "leads out", true},
		{"parent path at the end", bad("pier/a/.."), "pier/a/..", chart.ErrUnsafeArchive, "leads out", false},
		{"parent first", bad("../pier/x"), "../pier/x", chart.ErrUnsafeArchive, "leads out", true},
		{"parent behind a dot", bad("./../x"), "./../x", chart.ErrUnsafeArchive, "leads out", false},
		{"parent of all", bad("pier/" + strings.Repeat("../", 40) + "etc/cron.d/x"), "pier/" + strings.Repeat("../", 40) + "etc/cron.d/x", chart.ErrUnsafeArchive, "leads out", false},
		{"absolute", bad("/etc/passwd"), "/etc/passwd", chart.ErrUnsafeArchive, "absolute", true},
		{"absolute below", bad("pier//etc/passwd"), "pier//etc/passwd", chart.ErrUnsafeArchive, "absolute", false},
		{"network share", bad("//server/share/x"), "//server/share/x", chart.ErrUnsafeArchive, "absolute", false},
		{"backslash parent", bad(`pier\..\..\evil`), `pier\..\..\evil`, chart.ErrUnsafeArchive, "leads out", false},
		{"backslash absolute", bad(`\windows\x`), `\windows\x`, chart.ErrUnsafeArchive, "absolute", true},
		{"backslash network share", bad(`\\server\share\x`), `\\server\share\x`, chart.ErrUnsafeArchive, "absolute", false},
		{"mixed slashes", bad(`pier/a\b`), `pier/a\b`, chart.ErrUnsafeArchive, `both / and \`, true},
		{"mixed slashes out", bad(`pier/..\..\evil`), `pier/..\..\evil`, chart.ErrUnsafeArchive, `both / and \`, false},
		{"drive letter", bad("pier/c:/evil"), "pier/c:/evil", chart.ErrUnsafeArchive, "drive letter", false},
		{"drive letter first", bad("c:/pier/evil"), "c:/pier/evil", chart.ErrUnsafeArchive, "drive letter", true},
		{"drive letter and backslash", bad(`c:\pier\evil`), `c:\pier\evil`, chart.ErrUnsafeArchive, "drive letter", true},
		{"drive letter behind a dot", bad("pier/./c:/evil"), "pier/./c:/evil", chart.ErrUnsafeArchive, "drive letter", false},
		{"two dots", bad("pier/..data"), "pier/..data", chart.ErrUnsafeArchive, "two dots", false},
		{"parent path in an extended header", raw(t, pax("path=pier/../../evil"), rawFile('0', "pier/innocent", "x")), "pier/../../evil", chart.ErrUnsafeArchive, "leads out", false},
		{"parent path in a GNU long name", raw(t, rawFile('L', "././@LongLink", "pier/../../evil\x00"), rawFile('0', "pier/innocent", "x")), "pier/../../evil", chart.ErrUnsafeArchive, "leads out", false},
		{"parent path in a prefix", rawPrefix(t, "pier/../..", "evil"), "pier/../../evil", chart.ErrUnsafeArchive, "leads out", false},
		{"parent directory", tgz(t, good, special(tar.TypeDir, "pier/../../evil/", "")), "pier/../../evil/", chart.ErrUnsafeArchive, "leads out", true},

		// Names that are no file's, or not everywhere.
		{"control character", bad("pier/a\x1b[2J"), "pier/a\x1b[2J", chart.ErrUnsafeArchive, "cannot be printed", false},
		{"newline", bad("pier/a\nb"), "pier/a\nb", chart.ErrUnsafeArchive, "cannot be printed", false},
		{"delete character", bad("pier/a\x7f"), "pier/a\x7f", chart.ErrUnsafeArchive, "cannot be printed", false},
		{"invalid UTF-8", rawBad("pier/a\xff\xfe"), "pier/a\xff\xfe", chart.ErrUnsafeArchive, "cannot be printed", false},
		{"NUL in an extended header", raw(t, pax("path=pier/a\x00b"), rawFile('0', "pier/a", "x")), "pier/Chart.yaml", chart.ErrInvalidArchive, "damaged", false},
		{"beside the directory", bad("x"), "x", chart.ErrInvalidArchive, "not inside", false},
		{"a file that is the directory", bad("pier"), "pier", chart.ErrInvalidArchive, "not inside", false},
		{"a file named dot", bad("pier/."), "pier/.", chart.ErrInvalidArchive, "not inside", false},
		{"no name", rawBad(""), "", chart.ErrInvalidArchive, "does not begin", false},
		{"second top directory", tgz(t, good, file("quay/x", "")), "quay/x", chart.ErrInvalidArchive, `directory "pier"`, true},
		{"top directories that differ in case", tgz(t, good, file("PIER/x", "")), "PIER/x", chart.ErrInvalidArchive, `directory "pier"`, true},
		{"dot directory", tgz(t, file("./pier/Chart.yaml", chartYAML)), "./pier/Chart.yaml", chart.ErrInvalidArchive, "does not begin", false},
		{"Chart.yaml without a directory", tgz(t, file("Chart.yaml", chartYAML)), "Chart.yaml", chart.ErrInvalidArchive, "not inside", false},
		{"path too long", bad("pier/" + strings.Repeat("x", 2000)), "pier/" + strings.Repeat("x", 2000), chart.ErrTooLarge, "1024", false},
		{"too deep", bad("pier/" + strings.Repeat("d/", 8) + "x"), "pier/" + strings.Repeat("d/", 8) + "x", chart.ErrTooLarge, "deeper", false},

		// Links and devices.
		{"symbolic link", tgz(t, good, special(tar.TypeSymlink, "pier/x", "/etc/passwd")), "pier/x", chart.ErrUnsafeArchive, `symbolic link to "/etc/passwd"`, true},
		{"symbolic link within", tgz(t, good, special(tar.TypeSymlink, "pier/x", "Chart.yaml")), "pier/x", chart.ErrUnsafeArchive, "symbolic link", true},
		{"link and a file through it", tgz(t, good, special(tar.TypeSymlink, "pier/d", "/tmp"), file("pier/d/x", "x")), "pier/d", chart.ErrUnsafeArchive, "symbolic link", true},
		{"the directory is a link", tgz(t, special(tar.TypeSymlink, "pier", "/tmp"), good), "pier", chart.ErrUnsafeArchive, "symbolic link", false},
		{"Chart.yaml is a link", tgz(t, special(tar.TypeSymlink, "pier/Chart.yaml", "/etc/passwd")), "pier/Chart.yaml", chart.ErrUnsafeArchive, "symbolic link", false},
		{"link named in an extended header", raw(t, pax("linkpath=../../evil"), rawFile('2', "pier/x", "")), "pier/x", chart.ErrUnsafeArchive, `"../../evil"`, true},
		{"hard link", tgz(t, good, special(tar.TypeLink, "pier/x", "pier/Chart.yaml")), "pier/x", chart.ErrUnsafeArchive, "hard link", true},
		{"hard link outside", tgz(t, good, special(tar.TypeLink, "pier/x", "/etc/shadow")), "pier/x", chart.ErrUnsafeArchive, "hard link", true},
		{"character device", tgz(t, good, special(tar.TypeChar, "pier/x", "")), "pier/x", chart.ErrUnsafeArchive, "device", true},
		{"block device", tgz(t, good, special(tar.TypeBlock, "pier/x", "")), "pier/x", chart.ErrUnsafeArchive, "device", true},
		{"named pipe", tgz(t, good, special(tar.TypeFifo, "pier/x", "")), "pier/x", chart.ErrUnsafeArchive, "named pipe", true},
		{"contiguous file", raw(t, rawFile('7', "pier/x", "x")), "pier/x", chart.ErrUnsafeArchive, "type 7", true},
		{"unknown type", raw(t, rawFile('Z', "pier/x", "x")), "pier/x", chart.ErrUnsafeArchive, "type Z", true},
		{"file that calls itself a directory", tgz(t, good, entry{tar.Header{Typeflag: tar.TypeReg, Name: "pier/a", Mode: 0o40755, Size: 1}, "x"}), "pier/a", chart.ErrUnsafeArchive, "by its mode", true},
		{"file with a directory's name", raw(t, rawFile('0', "pier/values.yaml/", "a: 1\n")), "pier/values.yaml/", chart.ErrUnsafeArchive, "ends with a slash", true},
		{"directory with content", raw(t, rawFile(0, "pier/values.yaml/", "a: 1\n")), "pier/values.yaml/", chart.ErrUnsafeArchive, "directory with content", false},

		// Two entries for one file.
		{"second Chart.yaml", tgz(t, good, good), "pier/Chart.yaml", chart.ErrUnsafeArchive, "is there twice", true},
		{"second Chart.yaml by another spelling", tgz(t, good, file("pier/./Chart.yaml", chartYAML)), "pier/./Chart.yaml", chart.ErrUnsafeArchive, "twice", true},
		{"second Chart.yaml in another case", tgz(t, good, file("pier/chart.yaml", chartYAML)), "pier/chart.yaml", chart.ErrUnsafeArchive, "upper and lower", true},
		{"second Chart.yaml with a backslash", tgz(t, good, file(`pier\Chart.yaml`, chartYAML)), `pier\Chart.yaml`, chart.ErrUnsafeArchive, "twice", true},
		{"duplicate", tgz(t, good, file("pier/a", "1"), file("pier/a", "2")), "pier/a", chart.ErrUnsafeArchive, "twice", true},
		{"case clash", tgz(t, good, file("pier/README", "1"), file("pier/readme", "2")), "pier/readme", chart.ErrUnsafeArchive, "upper and lower", true},
		{"case clash of directories", tgz(t, good, file("pier/A/x", "1"), file("pier/a/y", "2")), "pier/a/y", chart.ErrUnsafeArchive, "upper and lower", true},
		{"case clash beyond ASCII", tgz(t, good, file("pier/hÄfen", "1"), file("pier/häfen", "2")), "pier/häfen", chart.ErrUnsafeArchive, "upper and lower", true},
		{"case clash of the Kelvin sign", tgz(t, good, file("pier/\u212a", "1"), file("pier/k", "2")), "pier/k", chart.ErrUnsafeArchive, "upper and lower", true},
		{"case clash of the long s", tgz(t, good, file("pier/S", "1"), file("pier/ſ", "2")), "pier/ſ", chart.ErrUnsafeArchive, "upper and lower", true},
		{"case clash of the final sigma", tgz(t, good, file("pier/σ", "1"), file("pier/ς", "2")), "pier/ς", chart.ErrUnsafeArchive, "upper and lower", true},
		{"file and directory", tgz(t, good, file("pier/a", "1"), file("pier/a/b", "2")), "pier/a/b", chart.ErrUnsafeArchive, "both a file and a directory", true},
		{"directory and file", tgz(t, good, special(tar.TypeDir, "pier/a/", ""), file("pier/a", "2")), "pier/a", chart.ErrUnsafeArchive, "both a file and a directory", true},
		{"Chart.yaml as a directory", tgz(t, good, file("pier/Chart.yaml/x", "")), "pier/Chart.yaml/x", chart.ErrUnsafeArchive, "both a file and a directory", true},

		// Bombs.
		{"bomb", bomb(t, 1<<24), "pier/bomb", chart.ErrTooLarge, "524288", false},
		{"bomb in total", tgz(t, good, file("pier/a", half), file("pier/b", half), file("pier/c", half)), "pier/c", chart.ErrTooLarge, "1048576", false},
		{"bomb of entries", tgz(t, append([]entry{good}, many...)...), "pier/" + strings.Repeat("x", 100), chart.ErrTooLarge, "100 entries", false},
		{"bomb of directories", gzipped(t, append(bytes.Repeat(rawFile('5', "pier/d/", ""), 101), tarred(t, good)...)), "pier/d/", chart.ErrTooLarge, "100 entries", false},
		{"bomb of headers", paxHeaders(t, 100), "", chart.ErrTooLarge, "limits", false},
		{"bomb of global headers", gzipped(t, append(bytes.Repeat(rawFile('g', "pax_global_header", "11 a=bcdef\n"), 101), tarred(t, good)...)), "pax_global_header", chart.ErrTooLarge, "100 entries", false},
		{"bomb after the end", gzipped(t, append(tarred(t, good), make([]byte, 8<<20)...)), "", chart.ErrTooLarge, "limits", true},
		{"bomb in gzip members", append(gzipped(t, body[:1024]), bytes.Repeat(gzipped(t, make([]byte, 1<<20)), 8)...), "", chart.ErrTooLarge, "limits", true},
		{"sparse bomb", raw(t, pax("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=pier/holes", "GNU.sparse.realsize=1099511627776"), rawFile('0', "GNUSparseFile.0/holes", "1\n1099511627776\n0\n"+strings.Repeat("\x00", 494))), "pier/holes", chart.ErrTooLarge, "1099511627776", false},
		{"old sparse bomb", raw(t, oldSparse()), "pier/holes", chart.ErrUnsafeArchive, "type S", false},
		{"size in an extended header", raw(t, pax("size=4611686018427387904"), rawFile('0', "pier/x", "x")), "pier/x", chart.ErrTooLarge, "4611686018427387904", false},
		{"size in base 256", raw(t, rawEntry('0', "pier/x", huge, "x")), "pier/x", chart.ErrTooLarge, "4611686018427387904", false},

		// What is no chart, or no longer one.
		{"negative size", raw(t, rawEntry('0', "pier/x", negative, "x")), "pier/Chart.yaml", chart.ErrInvalidArchive, "damaged", false},
		{"size beyond the content", raw(t, rawEntry('0', "pier/x", octal(4096), "x")), "pier/x", chart.ErrInvalidArchive, "cut off", false},
		{"size below the content", raw(t, rawEntry('0', "pier/x", octal(1), strings.Repeat("x", 1024))), "pier/x", chart.ErrInvalidArchive, "damaged", false},
		{"size that is no number", raw(t, rawEntry('0', "pier/x", "eight", "x")), "pier/Chart.yaml", chart.ErrInvalidArchive, "damaged", false},
		{"extended header that is none", raw(t, rawFile('x', "PaxHeaders/x", "path=pier/x\n"), rawFile('0', "pier/y", "")), "pier/Chart.yaml", chart.ErrInvalidArchive, "damaged", false},
		{"truncated gzip", whole[:len(whole)-20], "pier/values.yaml", chart.ErrInvalidArchive, "cut off", false},
		{"truncated checksum", whole[:len(whole)-3], "", chart.ErrInvalidArchive, "cut off", true},
		{"truncated content", gzipped(t, body[:530]), "pier/Chart.yaml", chart.ErrInvalidArchive, "cut off", false},
		{"truncated header", gzipped(t, body[:300]), "", chart.ErrInvalidArchive, "cut off", false},
		{"wrong checksum", checksum, "", chart.ErrInvalidArchive, "damaged", true},
		{"damaged inside", inside, "pier/Chart.yaml", chart.ErrInvalidArchive, "damaged", false},
		{"damaged second member", append(gzipped(t, body[:600]), "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xff\xff"...), "pier/Chart.yaml", chart.ErrInvalidArchive, "damaged", false},
		{"not tar", gzipped(t, bytes.Repeat([]byte("no tar "), 200)), "", chart.ErrInvalidArchive, "damaged", false},
		{"garbage after gzip", append(bytes.Clone(whole), "more garbage"...), "", chart.ErrInvalidArchive, "followed by", true},
		{"a little garbage after gzip", append(bytes.Clone(whole), "x"...), "", chart.ErrInvalidArchive, "", true},
		{"garbage after tar", gzipped(t, append(tarred(t, good), "garbage"...)), "", chart.ErrInvalidArchive, "goes on", true},
		{"second tar", append(bytes.Clone(whole), whole...), "", chart.ErrInvalidArchive, "goes on", true},
		{"no entries", tgz(t), "", chart.ErrInvalidArchive, "no files", false},
		{"directories alone", tgz(t, special(tar.TypeDir, "pier/", "")), "", chart.ErrInvalidArchive, "no files", false},
		{"gzip of nothing", gzipped(t, nil), "", chart.ErrInvalidArchive, "no files", false},
		{"not gzip", []byte("hello"), "", chart.ErrInvalidArchive, "something else", false},
		{"gzip by another method", []byte("\x1f\x8b\x07\x00\x00\x00\x00\x00\x00\xff"), "", chart.ErrInvalidArchive, "something else", false},
		{"gzip with an endless name", append([]byte("\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\xff"), bytes.Repeat([]byte("n"), 1<<20)...), "", chart.ErrInvalidArchive, "damaged", false},
		{"empty", nil, "", chart.ErrInvalidArchive, "empty", false},
		{"HTML", []byte("\n<!DOCTYPE html>"), "", chart.ErrInvalidArchive, "HTML", false},
		{"JSON", []byte(`{"errors":[]}`), "", chart.ErrInvalidArchive, "JSON", false},
		{"plain tar", tarred(t, good), "", chart.ErrInvalidArchive, "without compression", false},
		{"zip", []byte("PK\x03\x04..."), "", chart.ErrInvalidArchive, "zip", false},
		{"gzip header only", whole[:5], "", chart.ErrInvalidArchive, "cut off", false},
	}
}

// rawPrefix splits a name as ustar does for long ones.
func rawPrefix(t testing.TB, prefix, name string) []byte {
	h := rawFile('0', name, "x")
	copy(h[345:], prefix)
	seal(h)
	return raw(t, h)
}

// oldSparse is a GNU header for a file of 8 GB with a hole.
func oldSparse() []byte {
	h := rawFile('S', "pier/holes", "")
	copy(h[257:], "ustar  \x00")
	copy(h[386:], "00000000000\x0000000000000\x00") // the one part, of no bytes
	copy(h[483:], "77777777777\x00")                // the real size
	seal(h)
	return h
}
