package portolan_test

import (
	"fmt"
	"go/ast"
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

// hiddenTypes are what an exported signature must not show: the engines, which
// shall be replaceable, and what an importer cannot name.
var hiddenTypes = []string{"oras.land", "cuelabs.dev/go/oci/ociregistry", "github.com/gofrs/flock", module + "/internal"}

// checkHabits returns one line for each thing that no package of ours does:
// hidden types in an exported signature, init, panic, printing, and exported
// variables that are not sentinel errors. Tests and programs are free.
func checkHabits(files []file) []string {
	var wrong []string
	for _, f := range files {
		if f.isTest() || f.ast.Name.Name == "main" || moduleOf(f.dir) != "" {
			continue
		}
		complain := func(format string, args ...any) {
			wrong = append(wrong, f.path+": "+fmt.Sprintf(format, args...))
		}
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				complain("init function")
			}
			for _, spec := range exportedVars(decl) {
				complain("exported variable %s: a global that anybody can change", spec)
			}
			for _, typ := range exportedTypes(decl) {
				for _, shown := range hiddenIn(f.ast, typ) {
					complain("%s is in an exported signature", shown)
				}
			}
		}
		for _, call := range forbiddenCalls(f.ast) {
			complain("call of %s", call)
		}
	}
	return wrong
}

func exportedVars(decl ast.Decl) []string {
	gen, ok := decl.(*ast.GenDecl)
	if !ok || gen.Tok != token.VAR {
		return nil
	}
	var names []string
	for _, spec := range gen.Specs {
		for _, name := range spec.(*ast.ValueSpec).Names {
			if name.IsExported() && !strings.HasPrefix(name.Name, "Err") {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

// exportedTypes returns the parts of a declaration that a caller sees.
func exportedTypes(decl ast.Decl) []ast.Node {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
			return []ast.Node{d.Type}
		}
	case *ast.GenDecl:
		var seen []ast.Node
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					seen = append(seen, visibleParts(s.Type)...)
				}
			case *ast.ValueSpec:
				if slices.ContainsFunc(s.Names, (*ast.Ident).IsExported) && s.Type != nil {
					seen = append(seen, s.Type)
				}
			}
		}
		return seen
	}
	return nil
}

func visibleParts(typ ast.Expr) []ast.Node {
	s, ok := typ.(*ast.StructType)
	if !ok {
		return []ast.Node{typ}
	}
	var parts []ast.Node
	for _, field := range s.Fields.List {
		if len(field.Names) == 0 || slices.ContainsFunc(field.Names, (*ast.Ident).IsExported) {
			parts = append(parts, field.Type)
		}
	}
	return parts
}

func receiver(d *ast.FuncDecl) string {
	var name string
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return name == ""
	})
	return name
}

func hiddenIn(f *ast.File, node ast.Node) []string {
	names := map[string]string{} // the name in this file to the import path
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil || !slices.ContainsFunc(hiddenTypes, func(h string) bool { return within(p, h) }) {
			continue
		}
		if spec.Name != nil {
			names[spec.Name.Name] = p
			continue
		}
		base := path.Base(p)
		if strings.TrimLeft(base, "v0123456789") == "" {
			base = path.Base(path.Dir(p))
		}
		names[strings.TrimSuffix(base, "-go")] = p
	}
	var found []string
	ast.Inspect(node, func(n ast.Node) bool {
		if _, ok := n.(*ast.FuncLit); ok {
			return false
		}
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && names[id.Name] != "" {
				found = append(found, names[id.Name]+"."+sel.Sel.Name)
			}
		}
		return true
	})
	return found
}

func forbiddenCalls(f *ast.File) []string {
	var found []string
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch fn := call.Fun.(type) {
		case *ast.Ident:
			if fn.Name == "panic" && !abortsHandler(call) || fn.Name == "print" || fn.Name == "println" {
				found = append(found, fn.Name)
			}
		case *ast.SelectorExpr:
			if id, ok := fn.X.(*ast.Ident); ok {
				name := id.Name + "." + fn.Sel.Name
				if strings.HasPrefix(name, "fmt.Print") || strings.HasPrefix(name, "log.") || name == "os.Exit" {
					found = append(found, name)
				}
			}
		}
		return true
	})
	return found
}

// abortsHandler knows the one panic that an API asks for: net/http takes this
// value as the wish to cut the connection.
func abortsHandler(call *ast.CallExpr) bool {
	if len(call.Args) != 1 {
		return false
	}
	sel, ok := call.Args[0].(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "ErrAbortHandler"
}

func TestHabits(t *testing.T) {
	for _, line := range checkHabits(parseHouse(t)) {
		t.Error(line)
	}
}

// TestNoWorkspace keeps go.work out: with one, the root's tests would load the
// dependencies of every nested module.
func TestNoWorkspace(t *testing.T) {
	if _, err := fs.Stat(os.DirFS("."), "go.work"); err == nil {
		t.Error("go.work is in the root: nested modules point at it with replace instead")
	}
}

func TestHabitsFindWhatIsWrong(t *testing.T) {
	for _, tc := range []struct{ name, path, src, want string }{
		{"clean", "registry/a.go", `package registry; import "oras.land/oras-go/v2/errdef"; var ErrX = f(); func f() error { return errdef.ErrNotFound }`, ""},
		{"oras in an unexported function", "registry/a.go", `package registry; import "oras.land/oras-go/v2"; func f(oras.Target) {}`, ""},
		{"sentinel that stands for another", "registry/a.go", `package registry; import "oras.land/oras-go/v2/errdef"; var ErrX = errdef.ErrNotFound`, ""},
		{"oras in an unexported field", "registry/a.go", `package registry; import "oras.land/oras-go/v2"; type T struct{ t oras.Target }`, ""},
		{"method of an unexported type", "registry/a.go", `package registry; import "oras.land/oras-go/v2"; type t struct{}; func (t) F(oras.Target) {}`, ""},
		{"init in a test", "registry/a_test.go", `package registry; func init() {}`, ""},
		{"cut connection", "registry/registrytest/a.go", `package registrytest; import "net/http"; func f() { panic(http.ErrAbortHandler) }`, ""},
		{"printing program", "examples/quickstart/a.go", `package main; import "fmt"; func main() { fmt.Println() }`, ""},

		{"oras parameter", "registry/a.go", `package registry; import "oras.land/oras-go/v2"; func F(oras.Target) {}`, "oras.land/oras-go/v2.Target"},
		{"oras result", "registry/a.go", `package registry; import "oras.land/oras-go/v2/registry/remote"; func F() *remote.Client { return nil }`, "remote.Client"},
		{"renamed import", "registry/a.go", `package registry; import x "oras.land/oras-go/v2"; type F func([]x.Target)`, "oras-go/v2.Target"},
		{"exported field", "registry/a.go", `package registry; import "oras.land/oras-go/v2"; type T struct{ T oras.Target }`, "oras-go/v2.Target"},
		{"embedded", "registry/a.go", `package registry; import "oras.land/oras-go/v2"; type T struct{ oras.Target }`, "oras-go/v2.Target"},
		{"alias", "registry/a.go", `package registry; import "oras.land/oras-go/v2"; type T = oras.Target`, "oras-go/v2.Target"},
		{"interface", "registry/a.go", `package registry; import "oras.land/oras-go/v2"; type T interface{ F(oras.Target) }`, "oras-go/v2.Target"},
		{"method of a pointer", "registry/a.go", `package registry; import "oras.land/oras-go/v2"; type T struct{}; func (*T) F(oras.Target) {}`, "oras-go/v2.Target"},
		{"internal type", "chart/a.go", `package chart; import "` + module + `/internal/version"; func F() version.Version`, "internal/version.Version"},
		{"init", "auth/a.go", `package auth; func init() {}`, "init function"},
		{"mutable global", "auth/a.go", `package auth; var Limit = 3`, "exported variable Limit"},
		{"panic", "auth/a.go", `package auth; func f() { panic("x") }`, "call of panic"},
		{"printing", "auth/a.go", `package auth; import "fmt"; func f() { fmt.Printf("x") }`, "call of fmt.Printf"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files, err := parseTree(fstest.MapFS{tc.path: {Data: []byte(tc.src)}})
			if err != nil {
				t.Fatal(err)
			}
			got := checkHabits(files)
			if tc.want == "" && len(got) > 0 || tc.want != "" && (len(got) != 1 || !strings.Contains(got[0], tc.want)) {
				t.Errorf("complaints %q, want %q", got, tc.want)
			}
		})
	}
}
