package portolan_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/registry/registrytest"
)

// TestReadmeProgram builds the program of the README and runs it as a reader
// would, in a directory with a chart, against a registry.
func TestReadmeProgram(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "```go\n")
	program, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("README.md has no Go program")
	}
	server := registrytest.New(nil)
	defer server.Close()
	const host = "localhost:5000"
	if !strings.Contains(program, host) {
		t.Fatalf("the program does not speak to %s", host)
	}
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "program.exe")
	if err := os.WriteFile(source, []byte(strings.ReplaceAll(program, host, server.Host)), 0o666); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("the program of the README does not build: %v\n%s", err, out)
	}
	if err := os.CopyFS(filepath.Join(dir, "voyage"), os.DirFS("examples/quickstart/voyage")); err != nil {
		t.Fatal(err)
	}
	run := exec.Command(binary)
	run.Dir = dir
	run.Env = append(os.Environ(), "HOME="+dir, "XDG_CACHE_HOME="+filepath.Join(dir, "cache"), "XDG_CONFIG_HOME="+filepath.Join(dir, "config"), "DOCKER_CONFIG="+dir)
	out, err := run.CombinedOutput()
	if err != nil || strings.Count(string(out), server.Host+"/team/voyage:1.0.0@sha256:") != 2 {
		t.Errorf("the program of the README: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "voyage-1.0.0.tgz")); err != nil {
		t.Error(err)
	}
	t.Logf("%s", out)
}
