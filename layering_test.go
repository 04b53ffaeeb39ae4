package portolan_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/portolan-oci/portolan"

// layer says what the packages of one directory may import besides the
// standard library: packages of ours by their directory, others by a prefix of
// their path. "internal" stands for every helper there.
type layer struct {
	ours   []string
	theirs []string
}

// Modules that several layers share.
const (
	imageSpec = "github.com/opencontainers/image-spec/specs-go"
	goDigest  = "github.com/opencontainers/go-digest"
	sync      = "golang.org/x/sync"
	yaml      = "sigs.k8s.io/yaml"
	goCmp     = "github.com/google/go-cmp"
	orasGo    = "oras.land/oras-go/v2"
)

// layers is the whole house, lowest floor first. A directory that is not here
// is an error: a new package states its place before it is written.
var layers = map[string]layer{
	"internal/address":    {},
	"internal/atomicfile": {},
	"internal/heap":       {},
	"internal/limit":      {},
	"internal/lockfile":   {ours: []string{"internal"}, theirs: []string{"github.com/gofrs/flock"}},
	"internal/ocijson":    {theirs: []string{imageSpec, goDigest}},
	"internal/opens":      {},
	"internal/patience":   {},
	"internal/redact":     {},
	"internal/retryafter": {},
	"internal/slowlink":   {},
	"internal/tempfile":   {},
	"internal/variant":    {},
	"internal/verify":     {ours: []string{"internal"}, theirs: []string{imageSpec, goDigest}},
	"internal/userdir":    {},
	"internal/version":    {theirs: []string{"github.com/Masterminds/semver/v3"}},

	"auth":                  {ours: []string{"internal"}, theirs: []string{"github.com/docker/docker-credential-helpers", "golang.org/x/sys/unix"}},
	"auth/device":           {ours: []string{"internal", "auth"}, theirs: []string{"golang.org/x/oauth2"}},
	"registry":              {ours: []string{"internal", "auth"}, theirs: []string{orasGo, imageSpec, goDigest, sync, "golang.org/x/time/rate"}},
	"registry/hostfile":     {ours: []string{"internal", "registry"}, theirs: []string{"github.com/pelletier/go-toml/v2"}},
	"registry/registrytest": {ours: []string{"internal", "registry"}, theirs: []string{"cuelabs.dev/go/oci/ociregistry", imageSpec, goDigest}},
	"registry/layout":       {ours: []string{"internal", "registry"}, theirs: []string{imageSpec, goDigest}},
	"registry/channel":      {ours: []string{"internal", "registry"}, theirs: []string{imageSpec, goDigest, sync}},
	"cache":                 {ours: []string{"internal", "registry"}, theirs: []string{"github.com/gofrs/flock", "golang.org/x/sys/windows", imageSpec, goDigest, sync}},
	"chart":                 {ours: []string{"internal", "registry", "registry/channel", "cache"}, theirs: []string{imageSpec, goDigest, sync, yaml, "go.yaml.in/yaml", "github.com/Masterminds/semver/v3"}},
	"chart/classic":         {ours: []string{"internal", "registry", "chart"}, theirs: []string{imageSpec, goDigest, sync, yaml, "go.yaml.in/yaml"}},
	"chart/provenance":      {ours: []string{"internal", "registry", "chart"}, theirs: []string{"github.com/ProtonMail/go-crypto", goDigest, yaml}},
	"search":                {ours: []string{"internal", "registry", "registry/channel", "cache", "chart", "chart/classic"}, theirs: []string{imageSpec, goDigest, sync, yaml}},

	"examples/quickstart": {ours: public, theirs: []string{imageSpec, goDigest}},
	".":                   {},
}

// public is what a program outside of the house can import.
var public = []string{
	"auth", "auth/device", "registry", "registry/hostfile", "registry/registrytest", "registry/channel", "registry/layout",
	"cache", "chart", "chart/classic", "chart/provenance", "search",
}

// modules are those of their own beneath the root. They choose their
// dependencies themselves, and their packages share one rule.
var modules = map[string]layer{
	"auth/acr":          {ours: public},
	"auth/gar":          {ours: public},
	"auth/ecr":          {ours: public},
	"internal/e2e":      {ours: append([]string{"internal"}, public...)},
	"internal/bench":    {ours: append([]string{"internal"}, public...)},
	"examples/portolan": {ours: append([]string{"auth/acr", "auth/ecr", "auth/gar"}, public...)},
	"examples/helm":     {ours: public},
}

// moduleOf returns the module of its own that holds dir, or "".
func moduleOf(dir string) string {
	for name := range modules {
		if within(dir, name) {
			return name
		}
	}
	return ""
}

// below is every package of ours that dir reaches through its layers.
func below(dir string) []string {
	reached := slices.Clone(layers[dir].ours)
	for i := 0; i < len(reached); i++ { // reached grows
		for _, next := range layers[reached[i]].ours {
			if !slices.Contains(reached, next) {
				reached = append(reached, next)
			}
		}
	}
	return reached
}

// file is one parsed Go file with its place in the tree.
type file struct {
	path string
	dir  string
	ast  *ast.File
}

func (f file) isTest() bool     { return strings.HasSuffix(f.path, "_test.go") }
func (f file) isExternal() bool { return f.isTest() && strings.HasSuffix(f.ast.Name.Name, "_test") }

// parseTree reads every Go file that the go command would see, those of nested
// modules included. Build constraints are not looked at: they hold on every
// platform or on none.
func parseTree(fsys fs.FS) ([]file, error) {
	var files []file
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		hidden := name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_"))
		switch {
		case d.IsDir() && (hidden || base == "testdata" || base == "vendor"):
			return fs.SkipDir
		case d.IsDir() || hidden || path.Ext(name) != ".go":
			return nil
		}
		src, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, file{path: name, dir: path.Dir(name), ast: parsed})
		return nil
	})
	return files, err
}

// checkLayering returns one line for each import that the house forbids.
func checkLayering(files []file) []string {
	var wrong []string
	for _, f := range files {
		if _, known := layers[f.dir]; !known && moduleOf(f.dir) == "" {
			wrong = append(wrong, fmt.Sprintf("%s: the directory %s has no place in the table of layers", f.path, f.dir))
			continue
		}
		for _, spec := range f.ast.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				wrong = append(wrong, fmt.Sprintf("%s: import %s: %v", f.path, spec.Path.Value, err))
				continue
			}
			if spec.Name != nil && spec.Name.Name == "." {
				wrong = append(wrong, fmt.Sprintf("%s: dot import of %s", f.path, p))
			}
			if !mayImport(f, p) {
				wrong = append(wrong, fmt.Sprintf("%s: %s must not import %s", f.path, f.dir, p))
			}
		}
	}
	return wrong
}

func mayImport(f file, p string) bool {
	first, _, _ := strings.Cut(p, "/")
	switch {
	case within(p, module):
		return mayImportOurs(f, strings.TrimPrefix(strings.TrimPrefix(p, module), "/"))
	case !strings.Contains(first, "."):
		return p != "C" // the standard library; cgo would end cross compilation
	case moduleOf(f.dir) != "", f.isTest() && within(p, goCmp), f.isExternal() && within(p, orasGo):
		return true // users bring targets of oras-go along: tests do too
	}
	return slices.ContainsFunc(layers[f.dir].theirs, func(prefix string) bool { return within(p, prefix) })
}

// mayImportOurs knows one exception from the table: a test that stands outside
// of its package is a user of it, and of all that its package is built on.
func mayImportOurs(f file, dir string) bool {
	allowed := layers[f.dir].ours
	nested := moduleOf(f.dir)
	switch {
	case nested != "":
		if within(dir, nested) {
			return true
		}
		allowed = modules[nested].ours
	case f.isExternal():
		allowed = append(below(f.dir), f.dir, "registry/registrytest", "registry/layout")
		if f.dir == "." { // tests about all packages
			allowed = public
		}
	}
	return slices.Contains(allowed, dir) || slices.Contains(allowed, "internal") && isHelper(dir)
}

// isHelper tells the helpers from the modules that also live under internal.
func isHelper(dir string) bool {
	_, known := layers[dir]
	return known && strings.HasPrefix(dir, "internal/")
}

func within(p, prefix string) bool { return p == prefix || strings.HasPrefix(p, prefix+"/") }

func TestLayering(t *testing.T) {
	for _, line := range checkLayering(parseHouse(t)) {
		t.Error(line)
	}
}

func parseHouse(t *testing.T) []file {
	t.Helper()
	files, err := parseTree(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("only %d Go files found: the test looks at the wrong directory", len(files))
	}
	return files
}

// TestLayeringFindsWhatIsWrong shows that the check can fail: each sample is
// one file with one import.
func TestLayeringFindsWhatIsWrong(t *testing.T) {
	for _, tc := range []struct {
		name, path, pkg, imports string
		want                     string // part of the one complaint; "" for none
	}{
		{"registry uses auth", "registry/a.go", "registry", module + "/auth", ""},
		{"registry uses oras", "registry/a.go", "registry", "oras.land/oras-go/v2/content", ""},
		{"standard library", "auth/a.go", "auth", "net/http", ""},
		{"go-cmp in a test", "auth/a_test.go", "auth", "github.com/google/go-cmp/cmp", ""},
		{"registrytest in an external test", "chart/a_test.go", "chart_test", module + "/registry/registrytest", ""},
		{"external test reaches below", "chart/a_test.go", "chart_test", module + "/auth", ""},
		{"oras in an external test", "cache/a_test.go", "cache_test", "oras.land/oras-go/v2", ""},
		{"e2e uses a helper", "internal/e2e/a_test.go", "e2e_test", module + "/internal/limit", ""},
		{"e2e chooses its modules", "internal/e2e/a_test.go", "e2e_test", "golang.org/x/crypto/bcrypt", ""},
		{"e2e uses itself", "internal/e2e/x/a.go", "x", module + "/internal/e2e/y", ""},
		{"CLI uses itself", "examples/portolan/a.go", "main", module + "/examples/portolan/internal/out", ""},
		{"testdata is not ours", "auth/testdata/a.go", "x", module + "/chart", ""},

		{"unknown package", "misc/a.go", "misc", "fmt", "no place in the table"},
		{"unknown helper", "internal/misc/a.go", "misc", "fmt", "no place in the table"},
		{"auth uses registry", "auth/a.go", "auth", module + "/registry", "must not import"},
		{"auth uses registry in a test", "auth/a_test.go", "auth_test", module + "/registry", "must not import"},
		{"chart uses auth", "chart/a.go", "chart", module + "/auth", "must not import"},
		{"chart uses auth in its own test", "chart/a_test.go", "chart", module + "/auth", "must not import"},
		{"search uses auth", "search/a.go", "search", module + "/auth", "must not import"},
		{"cache uses chart", "cache/a.go", "cache", module + "/chart", "must not import"},
		{"registrytest in production", "chart/a.go", "chart", module + "/registry/registrytest", "must not import"},
		{"oras outside of registry", "chart/a.go", "chart", "oras.land/oras-go/v2", "must not import"},
		{"oras in a package's own test", "cache/a_test.go", "cache", "oras.land/oras-go/v2", "must not import"},
		{"TOML in registry", "registry/a.go", "registry", "github.com/pelletier/go-toml/v2", "must not import"},
		{"ociregistry in registry", "registry/a.go", "registry", "cuelabs.dev/go/oci/ociregistry", "must not import"},
		{"prefix is not a path", "registry/a.go", "registry", "oras.land/oras-go/v2x", "must not import"},
		{"go-cmp in production", "auth/a.go", "auth", "github.com/google/go-cmp/cmp", "must not import"},
		{"helper uses a package", "internal/limit/a.go", "limit", module + "/registry", "must not import"},
		{"helper imports e2e", "internal/verify/a.go", "verify", module + "/internal/e2e", "must not import"},
		{"quickstart uses a helper", "examples/quickstart/a.go", "main", module + "/internal/limit", "must not import"},
		{"CLI uses a helper", "examples/portolan/a.go", "main", module + "/internal/limit", "must not import"},
		{"CLI uses e2e", "examples/portolan/a.go", "main", module + "/internal/e2e", "must not import"},
		{"root imports", "doc.go", "portolan", module + "/auth", "must not import"},
		{"cgo", "auth/a.go", "auth", "C", "must not import"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src := fmt.Sprintf("package %s\n\nimport _ %q\n", tc.pkg, tc.imports)
			files, err := parseTree(fstest.MapFS{tc.path: {Data: []byte(src)}})
			if err != nil {
				t.Fatal(err)
			}
			got := checkLayering(files)
			if tc.want == "" && len(got) > 0 || tc.want != "" && (len(got) != 1 || !strings.Contains(got[0], tc.want)) {
				t.Errorf("complaints %q, want %q", got, tc.want)
			}
		})
	}
}
