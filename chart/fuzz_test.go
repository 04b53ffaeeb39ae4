package chart_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/chart"
)

func FuzzParseMetadata(f *testing.F) {
	f.Add([]byte(chartYAML))
	f.Add([]byte(`{"name": "a", "version": 1, "dependencies": [null, {"import-values": [1, {"a": null}]}]}`))
	f.Add([]byte("name: &a [*a]\n"))
	f.Add([]byte("maintainers: [~]\nkeywords: [0x1, 1e3]\n<<: {home: x}\n"))
	f.Add([]byte("name: \"\\u200b\\t\"\nversion: 1.10\n---\n"))
	f.Add([]byte("version: !!int \"\\e]0;x\\a\"\nx: &a [b, c]\ny: [*a, *a]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := chart.ParseMetadata(data)
		if err != nil {
			if !errors.Is(err, chart.ErrInvalidMetadata) {
				t.Errorf("error %v does not match ErrInvalidMetadata", err)
			}
			checkText(t, err)
			return
		}
		before, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		err = m.Validate()
		after, _ := json.Marshal(m)
		if !bytes.Equal(before, after) {
			t.Errorf("Validate changed %s to %s", before, after)
		}
		if err != nil {
			return
		}
		// What was written to a registry is read back as it was.
		read, err := chart.ParseConfig(after)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := json.Marshal(read); !bytes.Equal(again, after) {
			t.Error(cmp.Diff(string(after), string(again)))
		}
	})
}

func FuzzEntries(f *testing.F) {
	f.Add(tarred(f, file("pier/Chart.yaml", chartYAML), file("pier/a/b", "x")), false)
	f.Add(tarred(f, file("../x", ""), file(`a\..\b`, ""), file("c/d:/e", "")), true)
	f.Add(tarred(f, special(tar.TypeSymlink, "pier/x", "/"), special(tar.TypeDir, "pier/y/", "")), true)
	f.Add(tarred(f, entry{tar.Header{Typeflag: tar.TypeReg, Name: "pier/é", PAXRecords: map[string]string{"a.b": "c"}}, ""}), false)
	f.Fuzz(func(t *testing.T, data []byte, lenient bool) {
		limits := chart.Limits{Total: 1 << 16, File: 1 << 12, Entries: 16, Depth: 4}
		a := archive(t, gzipped(t, data), &chart.ArchiveOptions{Limits: limits, Lenient: lenient})
		var total int64
		count := 0
		seen := make(map[string]bool)
		for e, err := range a.Entries() {
			if err != nil {
				checkText(t, err)
				return
			}
			if !filepath.IsLocal(e.Name) || path.Clean(e.Name) != e.Name || strings.HasPrefix(e.Name, "..") || strings.Contains(e.Name, "\x00") {
				t.Fatalf("name %q is not inside the root", e.Name)
			}
			if key := strings.ToLower(e.Name); !lenient && seen[key] {
				t.Fatalf("%q came twice", e.Name)
			} else {
				seen[key] = true
			}
			n, _ := io.Copy(io.Discard, e)
			count++
			if total += n; n > e.Size || n > limits.File || total > limits.Total || count > limits.Entries {
				t.Fatalf("%q: %d bytes of %d, %d in %d entries in all", e.Name, n, e.Size, total, count)
			}
		}
		if m, err := a.Metadata(); err == nil && m.Validate() != nil {
			t.Error("Metadata returned what Validate refuses")
		}
	})
}

// FuzzUnpack unpacks into a directory beside others: either a chart is there
// that holds what Entries gives, or nothing has changed.
func FuzzUnpack(f *testing.F) {
	f.Add(tarred(f, file("pier/Chart.yaml", chartYAML), file("pier/a/b", "x")), false)
	f.Add(tarred(f, file("pier/Chart.yaml", chartYAML), file(`x\..\b`, ""), file("pier/../../into2/x", "")), true)
	f.Add(tarred(f, file("pier/Chart.yaml", "name: ../x\nversion: 1.0.0\n")), true)
	f.Add(tarred(f, special(tar.TypeSymlink, "pier/x", "/tmp"), file("pier/x/y", ""), file("pier/Chart.yaml", chartYAML)), true)
	f.Add(append(rawFile('0', "pier/Chart.yaml", chartYAML), append(pax("path=pier/../../x"), rawFile('0', "pier/x", "x")...)...), false)
	f.Fuzz(func(t *testing.T, data []byte, lenient bool) {
		parent := write(t, t.TempDir(), map[string]string{"into/mine": "kept", "into2/mine": "kept"})
		before := snapshot(t, parent)
		limits := chart.Limits{Total: 1 << 16, File: 1 << 12, Entries: 16, Depth: 4}
		a := archive(t, gzipped(t, data), &chart.ArchiveOptions{Limits: limits, Lenient: lenient})
		path, err := a.Unpack(t.Context(), filepath.Join(parent, "into"))
		after := snapshot(t, parent)
		if err != nil {
			checkText(t, err)
			if diff := cmp.Diff(before, after); diff != "" {
				t.Fatalf("%v, and yet:\n%s", err, diff)
			}
			return
		}
		m, err := a.Metadata()
		if err != nil || path != filepath.Join(parent, "into", m.Name) {
			t.Fatalf("Unpack = %s of %v, %v", path, m, err)
		}
		want := contents(t, a)
		prefix := "into/" + m.Name
		for name, is := range after {
			rel, below := strings.CutPrefix(name, prefix+"/")
			switch {
			case !below && name != prefix && before[name] != is:
				t.Errorf("%s is %s", name, is)
			case below && is[0] != 'd':
				if _, content, _ := strings.Cut(is, " "); is[0] != '-' || content != want[rel] {
					t.Errorf("%s is %q, want %q", name, is, want[rel])
				}
				delete(want, rel)
			}
		}
		if len(want) > 0 {
			t.Errorf("not unpacked: %v", want)
		}
	})
}

// FuzzPackageSubchart packages a chart with an archive in charts/: what comes
// out is an archive that every reader takes, with no archive in it.
func FuzzPackageSubchart(f *testing.F) {
	f.Add(tarred(f, file("x/Chart.yaml", chartYAML), file("x/a/b", "x")))
	f.Add(tarred(f, file("x/Chart.yaml", chartYAML), file("x/charts/y.tgz", string(tgz(f, file("y/Chart.yaml", chartYAML))))))
	f.Add(tarred(f, file("x/Chart.yaml", "name: _x\nversion: 1.0.0\n"), file("x/charts/_y/z", "")))
	f.Add(tarred(f, file("x/Chart.yaml", "name: quay\nversion: 1.0.0\n"), file("x/charts/a/Chart.yaml", chartYAML), file("x/charts/b/Chart.yaml", chartYAML)))
	f.Fuzz(func(t *testing.T, data []byte) {
		limits := chart.Limits{Total: 1 << 16, File: 1 << 12, Entries: 16, Depth: 8}
		dir := write(t, t.TempDir(), map[string]string{"Chart.yaml": chartYAML, "charts/x.tgz": string(gzipped(t, data))})
		var first, second bytes.Buffer
		if _, err := chart.Package(t.Context(), dir, &first, &chart.PackageOptions{Limits: limits}); err != nil {
			checkText(t, err)
			if first.Len() > 0 {
				t.Errorf("%d bytes were written before %v", first.Len(), err)
			}
			return
		}
		a := archive(t, first.Bytes(), &chart.ArchiveOptions{Limits: limits})
		for name := range contents(t, a) {
			if strings.HasPrefix(name, "charts/") && path.Ext(name) == ".tgz" && strings.Count(name, "/") == 1 {
				t.Errorf("%s is still an archive", name)
			}
		}
		// Unpacked and packaged again it is the same.
		again, err := a.Unpack(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := chart.Package(t.Context(), again, &second, &chart.PackageOptions{Limits: limits}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Error("unpacked and packaged again, it is another package")
		}
	})
}

func FuzzReadManifest(f *testing.F) {
	f.Add([]byte(manifest(f, chart.ConfigMediaType, desc(chart.LayerMediaType), desc(chart.ProvenanceMediaType))), "")
	f.Add([]byte(manifest(f, chart.ConfigMediaType, desc(chart.LegacyLayerMediaType))), "application/vnd.oci.image.manifest.v1+json")
	f.Add([]byte(`{"config":{"mediaType":"application/vnd.oci.image.config.v1+json"},"layers":[null]}`), "")
	f.Add([]byte(`{"layers":[],"LAYERS":[],"\u001b[2J":1}`), "\x1b[2J")
	f.Fuzz(func(t *testing.T, data []byte, mediaType string) {
		l, err := chart.ReadManifest(data, mediaType)
		if err != nil {
			if !errors.Is(err, chart.ErrNotChart) && !errors.Is(err, chart.ErrInvalidManifest) {
				t.Errorf("error %v matches no sentinel", err)
			}
			checkText(t, err)
			return
		}
		if l.Config.Digest.Validate() != nil || l.Chart.Digest.Validate() != nil || l.Chart.Size < 0 {
			t.Errorf("%+v", l)
		}
	})
}
