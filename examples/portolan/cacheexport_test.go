package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runs runs the program with a cache of its own, and answers with the exit
// status and what was said on standard error.
func runs(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out, err bytes.Buffer
	status := run(t.Context(), args, streams{strings.NewReader(""), &out, &err})
	return status, err.String()
}

// An export that lacks something leaves nothing, neither a file nor a directory
// that looks like a bundle.
func TestExportOfWhatIsMissingWritesNothing(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"bundle", "bundle.tar", "deep/bundle"} {
		status, text := runs(t, "cache", "export", filepath.Join(dir, name), "localhost:1/team/voyage:1.0.0", "--offline", "--cache", filepath.Join(dir, "cache"))
		if status != exitNotFound || !strings.Contains(text, "localhost:1/team/voyage:1.0.0") {
			t.Errorf("%s: exit status %d: %s", name, status, text)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "cache" {
			t.Errorf("left %s", e.Name())
		}
	}
}

// A directory that is no layout is refused before anything is fetched.
func TestExportIntoOtherDirectories(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	status, text := runs(t, "cache", "export", dir, "localhost:1/team/voyage:1.0.0", "--offline", "--cache", filepath.Join(dir, "cache"))
	if status != exitFailure || !strings.Contains(text, "not an OCI image layout") {
		t.Errorf("exit status %d: %s", status, text)
	}
}

// Who asks for a compressed bundle gets no directory of that name.
func TestExportCompressesNothing(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"bundle.tar.gz", "bundle.tgz", "bundle.tar.zst"} {
		status, text := runs(t, "cache", "export", filepath.Join(dir, name), "localhost:1/team/voyage:1.0.0", "--offline", "--cache", filepath.Join(dir, "cache"))
		if status != exitUsage || !strings.Contains(text, ".tar") {
			t.Errorf("%s: exit status %d: %s", name, status, text)
		}
	}
}

// A directory that is not there is no reference that is wrong.
func TestExportOfMissingDirectory(t *testing.T) {
	dir := t.TempDir()
	status, text := runs(t, "cache", "export", filepath.Join(dir, "bundle.tar"), "./app", "--cache", filepath.Join(dir, "cache"))
	if status != exitNotFound || !strings.Contains(text, "./app: no Chart.yaml") {
		t.Errorf("exit status %d: %s", status, text)
	}
}
