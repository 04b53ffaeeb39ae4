package classic_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/chart/classic"
	"github.com/portolan-oci/portolan/registry"
)

func TestAliases(t *testing.T) {
	file := filepath.Join(t.TempDir(), "repositories.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	q := newQuay(t, false)
	q.serve(t, "voyage 1.0.0")
	write("apiVersion: \"\"\nrepositories:\n- name: stable\n  url: " + q.URL + "/charts/\n  username: me\n  password: " + canary + "\n- null\n- name: stable\n  url: https://other\n")
	aliases, err := classic.Aliases(file)
	if err != nil || aliases["stable"] != q.URL+"/charts/" || len(aliases) != 1 {
		t.Fatalf("%q, %v", aliases, err)
	}
	set := classic.NewRepositories(newClient(t, ""), aliases, nil)
	defer set.Close()
	first, err := set.Open(t.Context(), "@stable")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"alias:stable", q.URL + "/charts", q.URL + "/charts/"} {
		if again, err := set.Open(t.Context(), address); err != nil || again != first {
			t.Errorf("%s: %v, another one: %v", address, err, again != first)
		}
	}
	if _, err := set.Open(t.Context(), "@nobody"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("error = %v", err)
	}
	write("repositories:\n- name: [" + canary + "\n  password: {" + canary)
	if _, err := classic.Aliases(file); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("error = %v", err)
	}
	if _, err := classic.Aliases(file + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error = %v", err)
	}
}
