package portolan_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"go/build"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// dependencies lists what a program that imports one of our packages compiles
// besides the standard library and ourselves, on Linux, macOS and Windows
// together; the internal packages of others are theirs to count. A line more
// is a cost to every importer: it wants a reason in the commit that adds it. A
// name of ours stands for its own list.
var dependencies = map[string]string{
	"auth": `
		github.com/docker/docker-credential-helpers/client
		github.com/docker/docker-credential-helpers/credentials
		github.com/gofrs/flock
		golang.org/x/sys/unix
		golang.org/x/sys/windows
	`,
	"auth/device": `
		auth
		golang.org/x/oauth2
	`,
	"registry": `
		auth
		github.com/opencontainers/go-digest
		github.com/opencontainers/image-spec/specs-go
		github.com/opencontainers/image-spec/specs-go/v1
		golang.org/x/sync/errgroup
		golang.org/x/sync/semaphore
		golang.org/x/time/rate
		oras.land/oras-go/v2/content
		oras.land/oras-go/v2/errdef
		oras.land/oras-go/v2/registry
		oras.land/oras-go/v2/registry/remote
		oras.land/oras-go/v2/registry/remote/auth
		oras.land/oras-go/v2/registry/remote/errcode
		oras.land/oras-go/v2/registry/remote/retry
	`,
	"cache": `
		registry
		github.com/Masterminds/semver/v3
	`,
	"chart": `
		registry
		cache
		github.com/Masterminds/semver/v3
		go.yaml.in/yaml/v2
		sigs.k8s.io/yaml
	`,
	"chart/classic": `
		chart
	`,
	"registry/hostfile": `
		registry
		github.com/pelletier/go-toml/v2
		github.com/pelletier/go-toml/v2/unstable
	`,
	"registry/layout": `
		registry
		github.com/gofrs/flock
	`,
	"chart/provenance": `
		chart
		github.com/ProtonMail/go-crypto/bitcurves
		github.com/ProtonMail/go-crypto/brainpool
		github.com/ProtonMail/go-crypto/eax
		github.com/ProtonMail/go-crypto/ocb
		github.com/ProtonMail/go-crypto/openpgp
		github.com/ProtonMail/go-crypto/openpgp/aes/keywrap
		github.com/ProtonMail/go-crypto/openpgp/armor
		github.com/ProtonMail/go-crypto/openpgp/clearsign
		github.com/ProtonMail/go-crypto/openpgp/ecdh
		github.com/ProtonMail/go-crypto/openpgp/ecdsa
		github.com/ProtonMail/go-crypto/openpgp/ed25519
		github.com/ProtonMail/go-crypto/openpgp/ed448
		github.com/ProtonMail/go-crypto/openpgp/eddsa
		github.com/ProtonMail/go-crypto/openpgp/elgamal
		github.com/ProtonMail/go-crypto/openpgp/errors
		github.com/ProtonMail/go-crypto/openpgp/mldsa_eddsa
		github.com/ProtonMail/go-crypto/openpgp/mlkem_ecdh
		github.com/ProtonMail/go-crypto/openpgp/packet
		github.com/ProtonMail/go-crypto/openpgp/s2k
		github.com/ProtonMail/go-crypto/openpgp/slhdsa
		github.com/ProtonMail/go-crypto/openpgp/x25519
		github.com/ProtonMail/go-crypto/openpgp/x448
		github.com/cloudflare/circl/dh/x25519
		github.com/cloudflare/circl/dh/x448
		github.com/cloudflare/circl/ecc/goldilocks
		github.com/cloudflare/circl/kem
		github.com/cloudflare/circl/kem/mlkem/mlkem1024
		github.com/cloudflare/circl/kem/mlkem/mlkem768
		github.com/cloudflare/circl/math
		github.com/cloudflare/circl/math/fp25519
		github.com/cloudflare/circl/math/fp448
		github.com/cloudflare/circl/math/mlsbset
		github.com/cloudflare/circl/pke/kyber/kyber1024
		github.com/cloudflare/circl/pke/kyber/kyber768
		github.com/cloudflare/circl/sign
		github.com/cloudflare/circl/sign/ed25519
		github.com/cloudflare/circl/sign/ed448
		github.com/cloudflare/circl/sign/mldsa/mldsa65
		github.com/cloudflare/circl/sign/mldsa/mldsa87
		github.com/cloudflare/circl/sign/slhdsa
		github.com/cloudflare/circl/simd/keccakf1600
		github.com/cloudflare/circl/xof
		github.com/cloudflare/circl/xof/k12
		golang.org/x/crypto/argon2
		golang.org/x/crypto/blake2b
		golang.org/x/crypto/blake2s
		golang.org/x/crypto/cast5
		golang.org/x/crypto/cryptobyte
		golang.org/x/crypto/cryptobyte/asn1
		golang.org/x/crypto/hkdf
		golang.org/x/crypto/sha3
		golang.org/x/sys/cpu
	`,
	"registry/registrytest": `
		registry
		cuelabs.dev/go/oci/ociregistry
		cuelabs.dev/go/oci/ociregistry/ocimem
		cuelabs.dev/go/oci/ociregistry/ociref
		cuelabs.dev/go/oci/ociregistry/ociserver
		github.com/opencontainers/go-digest
		github.com/opencontainers/image-spec/specs-go
		github.com/opencontainers/image-spec/specs-go/v1
	`,
}

// budget writes out the list of one package, one that it includes included.
func budget(dir string) map[string]bool {
	all := map[string]bool{}
	for name := range strings.FieldsSeq(dependencies[dir]) {
		if _, ours := dependencies[name]; ours {
			maps.Copy(all, budget(name))
		} else {
			all[name] = true
		}
	}
	return all
}

func TestDependencies(t *testing.T) {
	modules := readModules(t)
	for dir := range dependencies {
		t.Run(dir, func(t *testing.T) {
			got := map[string]bool{}
			for _, goos := range []string{"linux", "darwin", "windows"} {
				w := &walker{modules: modules, context: build.Default, seen: map[string]bool{}}
				w.context.GOOS, w.context.GOARCH, w.context.CgoEnabled = goos, "amd64", false
				if err := w.walk(module + "/" + dir); err != nil {
					t.Fatal(err)
				}
				maps.Copy(got, w.seen)
			}
			maps.DeleteFunc(got, func(p string, _ bool) bool { return within(p, module) || strings.Contains(p+"/", "/internal/") })
			for want := range budget(dir) {
				if !got[want] {
					t.Errorf("%s no longer needs %s: take it off the list", dir, want)
				}
				delete(got, want)
			}
			if len(got) > 0 {
				t.Errorf("%s has come to need:\n\t%s", dir, strings.Join(slices.Sorted(maps.Keys(got)), "\n\t"))
			}
		})
	}
}

// walker follows import clauses through the sources. It does not ask the go
// command: the test cache would not notice that its answer has changed, while
// it does watch the files that a test reads.
type walker struct {
	modules map[string]string // module path to the directory of its sources
	context build.Context
	seen    map[string]bool
}

func (w *walker) walk(p string) error {
	if first, _, _ := strings.Cut(p, "/"); w.seen[p] || !strings.Contains(first, ".") {
		return nil
	}
	w.seen[p] = true
	dir, err := w.dir(p)
	if err != nil {
		return err
	}
	pkg, err := w.context.ImportDir(dir, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	for _, next := range pkg.Imports {
		if err := w.walk(next); err != nil {
			return fmt.Errorf("%w, imported by %s", err, p)
		}
	}
	return nil
}

func (w *walker) dir(p string) (string, error) {
	for m := p; m != "."; m = filepath.ToSlash(filepath.Dir(m)) {
		root, ok := w.modules[m]
		if !ok {
			continue
		}
		dir := filepath.Join(root, filepath.FromSlash(strings.TrimPrefix(p, m)))
		if _, err := os.Stat(dir); err == nil {
			return dir, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("%s is in no module of go.mod, or not downloaded: run go mod download", p)
}

// readModules maps each module of go.mod to its directory in the module cache.
// go.mod names the version of every module that a build needs (Go modules
// reference, module graph pruning).
func readModules(t *testing.T) map[string]string {
	t.Helper()
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	cache := os.Getenv("GOMODCACHE")
	if cache == "" {
		cache = filepath.Join(filepath.SplitList(build.Default.GOPATH)[0], "pkg", "mod")
	}
	modules := map[string]string{module: "."}
	for lines := bufio.NewScanner(bytes.NewReader(mod)); lines.Scan(); {
		line, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(lines.Text()), "require "), "//")
		if fields := strings.Fields(line); len(fields) == 2 && strings.HasPrefix(fields[1], "v") {
			modules[fields[0]] = filepath.Join(cache, filepath.FromSlash(escape(fields[0]))+"@"+fields[1])
		}
	}
	return modules
}

// escape spells a module path as the module cache does: A becomes !a.
func escape(p string) string {
	var b strings.Builder
	for _, r := range p {
		if unicode.IsUpper(r) {
			b.WriteByte('!')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
