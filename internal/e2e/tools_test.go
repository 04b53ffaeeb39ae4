package e2e_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// tool is a program from a pinned module.
type tool struct {
	name, pkg, version string
	once               sync.Once
	path               string
	err                error
}

// The programs beside which portolan has to work.
var (
	distribution = &tool{name: "registry", pkg: "github.com/distribution/distribution/v3/cmd/registry", version: "v3.1.2"}
	helm4        = &tool{name: "helm", pkg: "helm.sh/helm/v4/cmd/helm", version: "v4.3.1"}
	helm3        = &tool{name: "helm", pkg: "helm.sh/helm/v3/cmd/helm", version: "v3.22.0"}
	crane        = &tool{name: "crane", pkg: "github.com/google/go-containerregistry/cmd/crane", version: "v0.22.1"}
	oras         = &tool{name: "oras", pkg: "oras.land/oras/cmd/oras", version: "v1.3.6"}
)

// helms are both Helms, by the name that a subtest gets.
var helms = map[string]*tool{"helm3": helm3, "helm4": helm4}

// binary returns the path of the program, built if it is not there yet.
func (p *tool) binary(t testing.TB) string {
	t.Helper()
	p.once.Do(func() { p.path, p.err = p.install() })
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.path
}

// install builds into a directory of its own and renames that into place, so
// that two runs at once do not see each other's half.
func (p *tool) install() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "portolan-e2e", p.name+"-"+p.version)
	bin := filepath.Join(dir, p.name)
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "build-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	cmd := exec.Command("go", "install", p.pkg+"@"+p.version)
	cmd.Env = append(os.Environ(), "GOBIN="+temp, "GOOS=", "GOARCH=", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	if err := os.Rename(temp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, statErr := os.Stat(bin); statErr != nil {
			return "", err
		}
	}
	return bin, nil
}

// portolan returns the path of the command under test, built from this tree.
var portolan = sync.OnceValues(func() (string, error) {
	root, err := findRoot()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "portolan-e2e")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// One name for each checkout: the binary is replaced, never piled up.
	bin := filepath.Join(dir, "portolan-"+sum([]byte(root))[:12])
	temp := fmt.Sprintf("%s.%d", bin, os.Getpid())
	defer os.Remove(temp)
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", temp, ".")
	cmd.Dir = filepath.Join(root, "examples", "portolan")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the portolan command: %w\n%s", err, out)
	}
	return bin, os.Rename(temp, bin)
})

const rootModule = "module github.com/portolan-oci/portolan\n"

// findRoot walks up to the directory of the root module.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), rootModule) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no directory above holds the go.mod of portolan")
		}
		dir = filepath.Dir(dir)
	}
}
