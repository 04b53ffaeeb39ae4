package cache

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/registry"
)

var chartRef = registry.Reference{Host: "registry.example.com", Repository: "team/app", Tag: "1.0.0"}

// recorded returns a store that has a manifest under chartRef, and its log.
func recorded(t *testing.T) (*Store, ocispec.Descriptor, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s, err := Open(t.TempDir(), &Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	data := []byte(`{"schemaVersion":2,"layers":[]}`)
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if err := s.Put(t.Context(), desc, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if err := s.writeRef(newRecord(chartRef, desc, time.Now(), time.Now())); err != nil {
		t.Fatal(err)
	}
	return s, desc, &log
}

// reseal changes what a sealed file says, and not that it is sealed.
func reseal(good []byte, old, new string) []byte {
	data, err := seal(json.RawMessage(bytes.Replace(good[sealSize:], []byte(old), []byte(new), 1)))
	if err != nil {
		panic(err)
	}
	return data
}

func TestRecordFiles(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(path string, good []byte) []byte
		hit   bool
	}{
		{"good", func(_ string, good []byte) []byte { return good }, true},
		{"unknown keys", func(_ string, good []byte) []byte {
			return reseal(good, "{", `{"later":[1],`)
		}, true},
		{"empty, as after a power cut", func(string, []byte) []byte { return nil }, false},
		{"zeros", func(_ string, good []byte) []byte { return make([]byte, len(good)) }, false},
		{"cut", func(_ string, good []byte) []byte { return good[:len(good)-2] }, false},
		{"huge", func(_ string, good []byte) []byte {
			return append(good, bytes.Repeat([]byte(" "), maxRecord)...)
		}, false},
		{"another reference's", func(_ string, good []byte) []byte {
			return reseal(good, "team/app", "team/apq")
		}, false},
		{"another tag's", func(_ string, good []byte) []byte {
			return reseal(good, ":1.0.0", ":1.0.1")
		}, false},
		{"a path for a digest", func(_ string, good []byte) []byte {
			return reseal(good, `"sha256:`, `"sha256:../../`)
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, desc, log := recorded(t)
			path := s.refPath(chartRef)
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, tt.spoil(path, bytes.Clone(good)), 0o666); err != nil {
				t.Fatal(err)
			}
			listed := 0
			err = s.eachRecord(t.Context(), filepath.Dir(path), s.refPath, func(record) error { listed++; return nil })
			if err != nil || (listed == 1) != tt.hit {
				t.Errorf("listed %d, %v", listed, err)
			}
			r, hit := s.readRef(chartRef)
			if hit != tt.hit || hit && r.Digest != desc.Digest {
				t.Errorf("readRef = %+v, %t", r, hit)
			}
			if told := strings.Contains(log.String(), "file in the cache"); told == tt.hit {
				t.Errorf("log: %q", log)
			}
		})
	}
}

// Tags that differ by case only have files of their own, on every file system.
func TestCaseOnlyTags(t *testing.T) {
	s, desc, _ := recorded(t)
	upper, lower := chartRef.WithTag("RC"), chartRef.WithTag("rc")
	if a, b := s.refPath(upper), s.refPath(lower); strings.EqualFold(a, b) {
		t.Errorf("%s and %s are one file where case does not count", a, b)
	}
	if err := s.writeRef(newRecord(upper, desc, time.Now(), time.Now())); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.readRef(lower); ok {
		t.Error("rc answers for RC")
	}
}

// What others left in the directories is passed over.
func TestForeignFiles(t *testing.T) {
	s, _, log := recorded(t)
	dir := filepath.Dir(s.refPath(chartRef))
	for _, path := range []string{
		filepath.Join(dir, ".1.0.0.tmp-ABCDEFGH"), filepath.Join(dir, "README"), filepath.Join(filepath.Dir(dir), "file"),
		s.path("blobs", "file"), s.path("pins"), s.path("locks"), filepath.Join(dir, "directory", "file"),
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("foreign"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	os.Remove(s.path("pins"))
	n := 0
	for e, err := range s.Entries(t.Context()) {
		if err != nil || e.Reference != chartRef {
			t.Errorf("%v, %v", e, err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
	if strings.Count(log.String(), "bad file") != 1 || !strings.Contains(log.String(), "README") {
		t.Errorf("log: %s", log)
	}
}

func FuzzUnsealRecord(f *testing.F) {
	good, err := seal(newRecord(chartRef, ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("x"), Size: 1,
	}, time.Unix(1, 0), time.Unix(2, 0)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(bytes.Replace(good, []byte("sha256:"), []byte("sha256:../"), 1))
	for _, text := range []string{"null", `{"reference":"a.b/c@sha256:0"}`} {
		data, err := seal(json.RawMessage(text))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r, back record
		if unseal(data, &r) != nil {
			// What a seal protects is tried too: anybody can write one.
			if data, err := seal(json.RawMessage(data)); err != nil || unseal(data, &r) != nil {
				return
			}
		}
		if r.Digest.Validate() != nil || r.Size < 0 || !registry.ValidTag(r.Reference.Tag) {
			t.Fatalf("accepted %+v", r)
		}
		again, err := seal(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := unseal(again, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, back); diff != "" {
			t.Fatal(diff)
		}
	})
}
