package auth

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// filesRows prints entries without what differs between the files of a test.
func filesRows(list []Entry) []string {
	rows := []string{}
	for _, e := range list {
		rows = append(rows, strings.TrimSpace(fmt.Sprintf("%s|%s|%s|%s|%s|%v", e.Resource, e.Username, e.Kind, filepath.Base(e.Origin.Location), e.Origin.Key, e.Err != nil)))
	}
	return rows
}

// TestList: a store lists its entries with what they are for, bad ones too, and
// what helpers keep for the hosts that they serve; markers and secrets are not
// in the list.
func TestList(t *testing.T) {
	installHelper(t, "lister", `echo '{"q.io":"keychain","https://index.docker.io/v1/":"<token>","https://index.docker.io/v1/access-token":"x","s.io":"not-served","q.io/a":"no-host"}'`)
	f := fileStore(t, `{"credsStore":"lister","credHelpers":{"s.io":""},"auths":{
		"https://r.io/v1/":{"auth":"`+b64("bob:"+canary)+`"},
		"r.io/a":{"auth":"`+b64("ann:"+canary)+`","identitytoken":"`+canary+`"},
		"bad.io":{"auth":"`+b64(canary)+`"},
		"s.io":{"registrytoken":"`+canary+`"},
		"marker.io":{},
		"https://r.io/other/path":{"auth":"`+b64("eve:"+canary)+`"}}}`, nil)
	list, err := f.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"bad.io|||config.json|bad.io|true",
		"docker.io||identity token|docker-credential-lister|https://index.docker.io/v1/|false",
		"q.io|keychain||docker-credential-lister|q.io|false",
		"r.io|bob|password|config.json|https://r.io/v1/|false",
		"r.io/a|ann|identity token and password|config.json|r.io/a|false",
		"s.io||registry token|config.json|s.io|false",
		"|eve|password|config.json|https://r.io/other/path|false",
	}
	if diff := cmp.Diff(want, filesRows(list)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	noCanary(t, "list", fmt.Sprintf("%+v", list))

	f = fileStore(t, `{"credsStore":"not-installed-anywhere","auths":{"r.io":{"auth":"dTox"}}}`, nil)
	if list, err := f.List(t.Context()); !errors.Is(err, ErrHelper) || len(list) != 1 {
		t.Errorf("beside a missing helper: %v, %v", filesRows(list), err)
	}
	if list, err := fileStore(t, "", nil).List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("a missing file: %v, %v", list, err)
	}
	if _, err := fileStore(t, "{", nil).List(t.Context()); !errors.Is(err, ErrConfigInvalid) {
		t.Errorf("a broken file: %v", err)
	}

	m := NewMemoryStore()
	for _, name := range []string{"s.io", "registry-1.docker.io", "r.io/a"} {
		if _, err := m.Put(t.Context(), mustParse(t, name), password("u", canary)); err != nil {
			t.Fatal(err)
		}
	}
	list, err = m.List(t.Context())
	if diff := cmp.Diff([]string{"docker.io|u|password|.|docker.io|false", "r.io/a|u|password|.|r.io/a|false", "s.io|u|password|.|s.io|false"}, filesRows(list)); err != nil || diff != "" {
		t.Errorf("%v; -want +got:\n%s", err, diff)
	}
}

// TestExplainFiles: every source says why it does not answer, and which of its
// entries it passes by.
func TestExplainFiles(t *testing.T) {
	installHelper(t, "empty", `echo "credentials not found in native keychain"; exit 1`)
	memory := NewMemoryStore()
	if _, err := memory.Put(t.Context(), Resource{Host: "s.io"}, password("u", canary)); err != nil {
		t.Fatal(err)
	}
	bad := `{"auth":"` + b64(canary) + `"}`
	type row struct {
		outcome Outcome
		reason  string // a part of it
	}
	for _, tc := range []struct {
		name string
		p    Provider
		want []row
	}{
		{"no file", fileStore(t, "", nil), []row{{OutcomeNone, "there is no such file"}}},
		{"broken file", fileStore(t, "{", nil), []row{{OutcomeFailed, "cannot be read"}}},
		{"another host", fileStore(t, auths("s.io", "u:1"), nil), []row{{OutcomeNone, "no entry for this host"}}},
		{"another path", fileStore(t, auths("r.io/b", "u:1"), nil), []row{{OutcomeNone, "r.io/b, which is another path"}}},
		{"other paths", fileStore(t, auths("r.io/c", "u:1", "r.io/b", "u:1"), nil), []row{{OutcomeNone, "r.io/b and 1 more"}}},
		{"marker", fileStore(t, `{"auths":{"https://r.io/":{}}}`, nil), []row{{OutcomeNone, "https://r.io/ holds no credential"}}},
		{"bad entry", fileStore(t, `{"auths":{"r.io":`+bad+`}}`, nil), []row{{OutcomeFailed, "no colon"}}},
		{"bad entry before a good one", fileStore(t, `{"auths":{"r.io":`+bad+`,"https://r.io":{"auth":"dTox"}}}`, nil), []row{{OutcomeFailed, "no colon"}, {OutcomeAnswers, ""}}},
		{"empty helper", fileStore(t, `{"credsStore":"empty","auths":{"r.io":{"auth":"dTox"}}}`, nil), []row{{OutcomeNone, "does not count beside a helper"}}},
		{"missing helper", fileStore(t, `{"credsStore":"not-installed-anywhere"}`, nil), []row{{OutcomeFailed, "not installed"}}},
		{"helper that may not run", fileStore(t, `{"credsStore":"empty"}`, &FileOptions{NoExec: true}), []row{{OutcomeFailed, "switched off"}}},
		{"memory", memory, []row{{OutcomeNone, "1 credentials"}}},
		{"pull secret", filesSecret(t, auths("*.r.io", "u:1"), MatchKubelet), []row{{OutcomeNone, "none of its 1 keys"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			found, err := Explain(t.Context(), tc.p, Resource{"r.io", "a"})
			if err != nil || len(found) != len(tc.want) {
				t.Fatalf("%+v, %v", found, err)
			}
			for i, w := range tc.want {
				if f := found[i]; f.Outcome != w.outcome || !strings.Contains(f.Reason, w.reason) || (f.Reason == "") != (w.reason == "") || f.Origin == (Origin{}) {
					t.Errorf("%+v, want %+v", f, w)
				}
			}
			noCanary(t, "findings", fmt.Sprintf("%+v", found))
		})
	}
}
