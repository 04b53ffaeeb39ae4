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
