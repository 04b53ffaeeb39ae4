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
	program := programOf(t, "README.md")
	server := registrytest.New(nil)
	defer server.Close()
	const host = "localhost:5000"
	if !strings.Contains(program, host) {
		t.Fatalf("the program does not speak to %s", host)
	}
	dir := t.TempDir()
	binary := buildProgram(t, strings.ReplaceAll(program, host, server.Host), dir)
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

// TestHostsProgram builds that of docs/hosts.md.
func TestHostsProgram(t *testing.T) {
	buildProgram(t, programOf(t, "docs/hosts.md"), t.TempDir())
}

// TestAuthenticationProgram builds that of docs/authentication.md.
func TestAuthenticationProgram(t *testing.T) {
	buildProgram(t, programOf(t, "docs/authentication.md"), t.TempDir())
}

// programOf returns the first Go program of a page.
func programOf(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```go\n")
	program, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatalf("%s has no Go program", page)
	}
	return program
}

// buildProgram builds a program in a directory and returns the path of the binary.
func buildProgram(t *testing.T, program, dir string) string {
	t.Helper()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "program.exe")
	if err := os.WriteFile(source, []byte(program), 0o666); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("the program does not build: %v\n%s", err, out)
	}
	return binary
}
