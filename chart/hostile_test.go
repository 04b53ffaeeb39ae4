package chart_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-oci/portolan/chart"
)

// doors are the ways into an archive that lead past all its entries.
func doors(t *testing.T, into string) map[string]func(*chart.Archive) error {
	return map[string]func(*chart.Archive) error{
		"Metadata":    func(a *chart.Archive) error { _, err := a.Metadata(); return err },
		"ReadFile":    func(a *chart.Archive) error { _, err := a.ReadFile("Chart.yaml"); return err },
		"Readme":      func(a *chart.Archive) error { _, _, err := a.Readme(); return err },
		"Unpack":      func(a *chart.Archive) error { _, err := a.Unpack(t.Context(), into); return err },
		"PackArchive": func(a *chart.Archive) error { _, err := chart.PackArchive(t.Context(), a, nil); return err },
		"Entries": func(a *chart.Archive) error {
			for e, err := range a.Entries() {
				if err != nil {
					return err
				}
				if _, err := io.Copy(io.Discard, e); err != nil {
					return err
				}
			}
			return nil
		},
		"CRDs": func(a *chart.Archive) error {
			for _, err := range a.CRDs(t.Context()) {
				return err
			}
			return nil
		},
	}
}

// TestHostileArchives tries every door of every hostile archive: each refuses
// it for the same reason and names the entry, and nothing is unpacked.
func TestHostileArchives(t *testing.T) {
	parent := write(t, t.TempDir(), map[string]string{"into/mine": "kept", "beside": "kept"})
	into := filepath.Join(parent, "into")
	before := snapshot(t, parent)
	list := hostileArchives(t)
	if len(list) < 60 {
		t.Errorf("only %d archives", len(list))
	}
	for _, tc := range list {
		t.Run(tc.name, func(t *testing.T) {
			for door, open := range doors(t, into) {
				checkRefusal(t, door, tc, tryDoor(tc.data, open, false))
				if diff := cmp.Diff(before, snapshot(t, parent)); diff != "" {
					t.Fatalf("%s has changed the directory or its parent:\n%s", door, diff)
				}
			}
			checkLenient(t, tc)
			checkAsFile(t, tc)
			checkAsSubchart(t, tc)
		})
	}
}

// checkLenient reads it as Helm does. Whatever it takes, it writes nowhere but
// into the chart's directory.
func checkLenient(t *testing.T, tc hostileArchive) {
	t.Helper()
	err := tryDoor(tc.data, func(a *chart.Archive) error { _, err := a.Metadata(); return err }, true)
	if (err == nil) != tc.lenient {
		t.Errorf("lenient: error = %v, want none: %v", err, tc.lenient)
	}
	parent := write(t, t.TempDir(), map[string]string{"into/mine": "kept", "beside": "kept"})
	before := snapshot(t, parent)
	err = tryDoor(tc.data, func(a *chart.Archive) error {
		_, err := a.Unpack(t.Context(), filepath.Join(parent, "into"))
		return err
	}, true)
	after := snapshot(t, parent)
	maps.DeleteFunc(after, func(name, _ string) bool { return err == nil && strings.HasPrefix(name+"/", "into/pier/") })
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("lenient Unpack (%v) has changed the directory or its parent:\n%s", err, diff)
	}
}

func tryDoor(data []byte, open func(*chart.Archive) error, lenient bool) error {
	a, err := chart.NewArchive(bytes.NewReader(data), int64(len(data)), &chart.ArchiveOptions{Limits: hostileLimits, Lenient: lenient})
	if err != nil {
		return err
	}
	return open(a)
}

func checkRefusal(t *testing.T, door string, tc hostileArchive, err error) {
	t.Helper()
	var ae *chart.ArchiveError
	if !errors.Is(err, tc.want) || !errors.As(err, &ae) {
		t.Errorf("%s: error = %v, want %v", door, err, tc.want)
		return
	}
	if ae.Entry != tc.entry || !strings.Contains(ae.Problem, tc.says) {
		t.Errorf("%s: entry %q: %s; want entry %q and %q", door, ae.Entry, ae.Problem, tc.entry, tc.says)
	}
	checkText(t, err)
}

// checkAsFile packs it from the disk.
func checkAsFile(t *testing.T, tc hostileArchive) {
	path := filepath.Join(t.TempDir(), "pier-1.2.3.tgz")
	if err := os.WriteFile(path, tc.data, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := chart.Pack(t.Context(), path, &chart.PackOptions{PackageOptions: chart.PackageOptions{Limits: hostileLimits}})
	checkRefusal(t, "Pack", tc, err)
	if err != nil && !strings.Contains(err.Error(), path) {
		t.Errorf("Pack does not name the file: %v", err)
	}
}

// checkAsSubchart packages a directory that has it in charts/, and an archive
// that has it there.
func checkAsSubchart(t *testing.T, tc hostileArchive) {
	quay := maps.Clone(chartFiles("quay", "1.0.0"))
	quay["charts/a.tgz"] = packedFiles(t, map[string]string{"Chart.yaml": "name: between\nversion: 1.0.0\n", "charts/b.tgz": string(tc.data)})
	for where, files := range map[string]map[string]string{
		"charts/x.tgz":              with(chartFiles("quay", "1.0.0"), "charts", map[string]string{"x.tgz": string(tc.data)}),
		"charts/a.tgz/charts/b.tgz": quay,
	} {
		dir := write(t, t.TempDir(), files)
		var b bytes.Buffer
		_, err := chart.Package(t.Context(), dir, &b, &chart.PackageOptions{Limits: hostileLimits})
		if !errors.Is(err, tc.want) || b.Len() > 0 {
			t.Errorf("as %s: error = %v, want %v; %d bytes written", where, err, tc.want, b.Len())
			continue
		}
		var ae *chart.ArchiveError
		if !errors.As(err, &ae) || ae.Path != filepath.Join(dir, filepath.FromSlash(where)) {
			t.Errorf("as %s: error = %v does not name the archive", where, err)
		}
		checkText(t, err)
	}
}
