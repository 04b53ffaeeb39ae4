package portolan_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"go/ast"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// canary is in every secret of these tests, and must be in nothing that is
// printed.
const canary = "canary-5ca1"

// canaryForms are the spellings in which a verb could show it.
func canaryForms() []string {
	decimal := strings.Trim(fmt.Sprint([]byte(canary)), "[]")
	return []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("% x", canary), decimal,
		base64.RawStdEncoding.EncodeToString([]byte(canary))[:12]}
}

func shows(text string) bool {
	return slices.ContainsFunc(canaryForms(), func(form string) bool { return strings.Contains(text, form) })
}

// exportedStructs lists what a program can hold of ours: dir.Name of each
// exported struct type of the root module. registrytest is left out: the
// passwords that it knows are those of tests.
func exportedStructs(files []file) []string {
	var names []string
	for _, f := range files {
		if f.isTest() || moduleOf(f.dir) != "" || strings.HasPrefix(f.dir, "internal/") || within(f.dir, "examples") || f.dir == "registry/registrytest" {
			continue
		}
		for _, decl := range f.ast.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				if s, ok := spec.(*ast.TypeSpec); ok && s.Name.IsExported() {
					if _, isStruct := s.Type.(*ast.StructType); isStruct {
						names = append(names, f.dir+"."+s.Name.Name)
					}
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

func printedName(t reflect.Type) string {
	name, _, _ := strings.Cut(t.Name(), "[") // of a generic type
	return strings.TrimPrefix(t.PkgPath(), module+"/") + "." + name
}

// Every type that we export is printed in every way with a secret wherever it
// can hold one. A new type is not forgotten: the list of printed ones is
// compared with the sources.
func Test56ExportedTypes(t *testing.T) {
	var listed []string
	for _, typ := range printed {
		listed = append(listed, printedName(typ))
	}
	slices.Sort(listed)
	declared := exportedStructs(parseHouse(t))
	for _, name := range declared {
		if !slices.Contains(listed, name) {
			t.Errorf("%s is an exported type that no test prints: add it to the list", name)
		}
	}
	for _, name := range listed {
		if !slices.Contains(declared, name) {
			t.Errorf("%s is printed, and is no exported struct type", name)
		}
	}
	planted := 0
	for _, typ := range printed {
		t.Run(printedName(typ), func(t *testing.T) {
			f := &filler{}
			v := reflect.New(typ)
			f.fill(v.Elem(), 0)
			planted += f.planted
			for what, value := range holding(v) {
				for how, text := range printings(value) {
					if shows(text) {
						t.Errorf("%s by %s: %.300s", what, how, text)
					}
				}
			}
		})
	}
	if planted < 30 {
		t.Errorf("only %d secrets were planted, so this test has not seen what it is about", planted)
	}
}

// holding is a value by itself and within others.
func holding(pointer reflect.Value) map[string]any {
	v := pointer.Elem().Interface()
	all := map[string]any{
		"a pointer": pointer.Interface(),
		"the value": v,
		"a slice":   []any{v},
		"a map":     map[string]any{"a": v},
		"a field":   struct{ Of any }{v},
	}
	typ := pointer.Type().Elem()
	if !slices.Contains(printedWhole, typ) { // fmt may not call methods in here
		all["a hidden pointer"] = struct{ of any }{pointer.Interface()}
		if !slices.Contains(usedByPointer, typ) {
			all["a hidden field"] = struct{ of any }{v}
		}
	}
	return all
}

// printings are all ways in which a program shows a value.
func printings(v any) map[string]string {
	all := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		all[verb] = fmt.Sprintf(verb, v)
	}
	data, _ := json.Marshal(v) // some cannot be marshalled, which hides as well
	all["JSON"] = string(data)
	var log bytes.Buffer
	for name, h := range map[string]slog.Handler{"slog text": slog.NewTextHandler(&log, nil), "slog JSON": slog.NewJSONHandler(&log, nil)} {
		log.Reset()
		slog.New(h).Info("value", "v", v, slog.Group("g", "v", v))
		all[name] = log.String()
	}
	return all
}

// What the runtime writes when a program panics, or is asked for the stacks of
// its goroutines, shows no secret of the values that were at hand.
func Test56Panics(t *testing.T) {
	if name := os.Getenv("PORTOLAN_TEST_PANIC"); name != "" {
		panicWith(name)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range printed {
		if (&filler{}).fills(typ) == 0 {
			continue // nothing to show
		}
		for _, how := range []string{"value", "pointer", "text", "error"} {
			cmd := exec.Command(self, "-test.run=^Test56Panics$")
			cmd.Env = append(os.Environ(), "PORTOLAN_TEST_PANIC="+how+" "+printedName(typ), "GOTRACEBACK=system")
			out, err := cmd.CombinedOutput()
			text := string(out)
			if err == nil || !strings.Contains(text, "panic: ") || !strings.Contains(text, "goroutine ") {
				t.Fatalf("%s did not panic: %.300s", printedName(typ), text)
			}
			if shows(text) {
				t.Errorf("a panic with %s, by %s, shows a secret: %.2000s", printedName(typ), how, text)
			}
		}
	}
}

// panicWith ends the process with a filled value, while another goroutine
// holds the same.
func panicWith(what string) {
	how, name, _ := strings.Cut(what, " ")
	for _, typ := range printed {
		if printedName(typ) != name {
			continue
		}
		v := reflect.New(typ)
		(&filler{}).fill(v.Elem(), 0)
		started := make(chan struct{})
		go hold(started, v.Elem().Interface(), canary)
		<-started
		switch how {
		case "value":
			panic(v.Elem().Interface())
		case "pointer":
			panic(v.Interface())
		case "error":
			panic(brokenEntry())
		default:
			func(held any) { panic(fmt.Sprintf("while holding %v, %+v", held, v.Interface())) }(v.Elem().Interface())
		}
	}
}

// hold never returns, with a secret in its arguments.
func hold(started chan<- struct{}, v any, secret string) {
	close(started)
	for {
		time.Sleep(time.Hour)
		if fmt.Sprint(v) == secret {
			return
		}
	}
}

// brokenEntry is an error about a file with a secret in it.
func brokenEntry() error {
	path := filepath.Join(os.TempDir(), "portolan-"+rand.Text())
	defer os.Remove(path)
	entry := `{"auths":{"r.example":{"auth":"` + base64.StdEncoding.EncodeToString([]byte(canary)) + `"}}}`
	if err := os.WriteFile(path, []byte(entry), 0o600); err != nil {
		return err
	}
	store, err := auth.NewDockerStore(path, nil)
	if err != nil {
		return err
	}
	_, err = store.Credential(context.Background(), auth.Resource{Host: "r.example"})
	return err
}
