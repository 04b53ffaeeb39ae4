package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var plaintext = &FileOptions{Plaintext: PlaintextStore}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Test15UnknownKeys: what other programs keep in the file stays byte for byte,
// at three levels, whoever's file it is.
func Test15UnknownKeys(t *testing.T) {
	const before = `{"HttpHeaders": {"X":  "<1>"}, "auths": {
  "other.io": {"auth":   "dTox", "note": 1.50},
  "r.io": {"email": "e@x",  "auth": "dTox", "deep": {"a":  [1,  2]}}
}, "big": 12345678901234567890.0}`
	want := `{
	"HttpHeaders": {"X":  "<1>"},
	"auths": {
		"other.io": {"auth":   "dTox", "note": 1.50},
		"r.io": {
			"email": "e@x",
			"deep": {"a":  [1,  2]},
			"auth": "` + b64("bob:2") + `"
		}
	},
	"big": 12345678901234567890.0
}
`
	for profile, f := range filesOpen(t, before, plaintext) {
		r := Resource{Host: "r.io"}
		if _, err := f.Put(t.Context(), r, password("bob", "2")); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, read(t, f.Path())); diff != "" {
			t.Errorf("%s: -want +got:\n%s", profile, diff)
		}
		if _, err := f.Delete(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		for _, kept := range []string{`"HttpHeaders": {"X":  "<1>"}`, `"other.io": {"auth":   "dTox", "note": 1.50}`, `"big": 12345678901234567890.0`} {
			if got := read(t, f.Path()); !strings.Contains(got, kept) || strings.Contains(got, "r.io\": {\n") {
				t.Errorf("%s: after a logout it is %s", profile, got)
			}
		}
	}
}

func TestPutShapes(t *testing.T) {
	for _, tc := range []struct {
		name, resource string
		c              Credential
		want           string
	}{
		{"password", "r.io", password("bob", "1"), `{"r.io":{"auth":"` + b64("bob:1") + `"}}`},
		{"docker hub", "docker.io", password("bob", "1"), `{"https://index.docker.io/v1/":{"auth":"` + b64("bob:1") + `"}}`},
		{"identity token", "r.io", Credential{IdentityToken: NewSecret("t")}, `{"r.io":{"auth":"` + b64(nullUser+":") + `","identitytoken":"t"}}`},
		{"identity token of a user", "r.io", Credential{Username: "bob", IdentityToken: NewSecret("t")}, `{"r.io":{"auth":"` + b64("bob:") + `","identitytoken":"t"}}`},
		{"registry token", "r.io", Credential{RegistryToken: NewSecret("t")}, `{"r.io":{"registrytoken":"t"}}`},
		{"path", "r.io/a/b", password("bob", "1"), `{"r.io/a/b":{"auth":"` + b64("bob:1") + `"}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := fileStore(t, "", plaintext)
			r := mustParse(t, tc.resource)
			origin, err := f.Put(t.Context(), r, tc.c)
			if err != nil {
				t.Fatal(err)
			}
			var file struct{ Auths map[string]any }
			var want map[string]any
			if err := errors.Join(json.Unmarshal([]byte(read(t, f.Path())), &file), json.Unmarshal([]byte(tc.want), &want)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, file.Auths); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			c, err := f.Credential(t.Context(), r)
			if err != nil || !c.Password.Equal(tc.c.Password) || !c.IdentityToken.Equal(tc.c.IdentityToken) || c.Origin != origin {
				t.Errorf("read back from %s, %v", c.Origin, err)
			}
			info, _ := os.Stat(f.Path())
			if _, err := f.Put(t.Context(), r, tc.c); err != nil {
				t.Fatal(err)
			}
			if again, _ := os.Stat(f.Path()); !os.SameFile(info, again) {
				t.Error("an unchanged credential was written again")
			}
		})
	}
}

func TestPutRefuses(t *testing.T) {
	f := fileStore(t, "", nil)
	_, err := f.Put(t.Context(), Resource{Host: "r.io"}, password("bob", canary))
	if !errors.Is(err, ErrPlaintextRefused) || !strings.Contains(err.Error(), "credential helper") {
		t.Errorf("plaintext: %v", err)
	}
	noCanary(t, "error", fmt.Sprint(err))
	f = fileStore(t, "", plaintext)
	for name, c := range map[string]Credential{
		"empty": {}, "empty user": password("", canary), "colon": password("a:b", canary), "user alone": {Username: "bob"},
		"control": password("a\x00", canary), "line break": password("a\nb", canary), "control of Latin-1": password("a\u0085", canary), "no UTF-8": password("a\xff", canary),
	} {
		for kind, s := range map[string]Store{"file": f, "memory": NewMemoryStore()} {
			_, err := s.Put(t.Context(), Resource{Host: "r.io"}, c)
			if err == nil {
				t.Errorf("%s was stored in the %s", name, kind)
			}
			noCanary(t, name, fmt.Sprint(err))
		}
	}
	docker, _ := NewDockerStore(f.Path(), plaintext)
	if _, err := docker.Put(t.Context(), Resource{"r.io", "a"}, password("bob", canary)); err == nil {
		t.Error("docker's file took a path")
	}
	if entries, _ := os.ReadDir(filepath.Dir(f.Path())); len(entries) != 0 {
		t.Errorf("something was written: %v", entries)
	}
}

// A user name that cannot be sent as it is, or none beside a password, is
// refused whichever source has it; the next one answers.
func TestSourcesRefuseUserNames(t *testing.T) {
	r := Resource{Host: "r.example.com"}
	for _, user := range []string{"", "a:b", "a\x01b", "a\nb"} {
		quoted := string(encodeString(user))
		installHelper(t, "named", "cat <<'EOF'\n{\"Username\":"+quoted+",\"Secret\":\""+canary+"\"}\nEOF")
		for name, value := range map[string]string{"REGISTRY": r.Host, "USERNAME": user, "PASSWORD": canary} {
			t.Setenv("PORTOLAN_"+name, value)
		}
		environment := FromEnvironment("PORTOLAN")
		entry := `{"auths":{"r.example.com":{"username":` + quoted + `,"password":"` + canary + `"}}}`
		encoded := auths("r.example.com", user+":"+canary)
		x := newExecPlugin(t, PluginOptions{}).answers(`"cacheKeyType":"Global",`, `{"*.example.com":{"username":`+quoted+`,"password":"`+canary+`"}}`)
		sources := map[string]Provider{
			"helper": fileStore(t, `{"credsStore":"named"}`, nil), "environment": environment, "plugin": x,
			"file": fileStore(t, entry, nil), "pull secret": filesSecret(t, entry, MatchKubelet),
		}
		if user != "a:b" { // which auth cannot hold
			for profile, f := range filesOpen(t, encoded, nil) {
				sources[profile+", encoded"] = f
			}
		}
		for name, p := range sources {
			c, err := p.Credential(t.Context(), r)
			if !errors.Is(err, ErrConfigInvalid) && !errors.Is(err, ErrHelper) {
				t.Errorf("%s: %q: user %q, %v", name, user, c.Username, err)
			}
			noCanary(t, name, fmt.Sprint(err))
			if c, err := Chain(p, Static(r, password("next", "1"))).Credential(t.Context(), r); err != nil || c.Username != "next" {
				t.Errorf("%s: %q stands in the way: %v", name, user, err)
			}
		}
		if _, err := NewTokenFile(r, "token", &TokenFileOptions{Kind: TokenPassword, Username: user}); err == nil {
			t.Errorf("a token file for %q", user)
		}
		if user == "" {
			continue // which a login takes for that of an identity token
		}
		asked := 0
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
		_, err := Login(t.Context(), NewMemoryStore(), Resource{Host: strings.TrimPrefix(s.URL, "http://")}, password(user, canary), &LoginOptions{PlainHTTP: true})
		s.Close()
		if err == nil || asked > 0 {
			t.Errorf("a login as %q: %v after %d requests", user, err, asked)
		}
		noCanary(t, "login", fmt.Sprint(err))
	}
}

// An entry that a helper makes needless is emptied once, and a file that says
// nothing of the host is not touched for a login that goes to the helper, nor
// for a logout.
func TestNothingIsWrittenBesideAHelper(t *testing.T) {
	installHelper(t, "keeper", keeper)
	for _, entries := range []string{"{}", `{"r.io":{}}`, `{"r.io":{"note":1}}`, `{"s.io":{"auth":"dTox"}}`} {
		f := fileStore(t, `{"credsStore":"keeper","auths":`+entries+`}`, nil)
		before, err := os.Stat(f.Path())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Put(t.Context(), Resource{Host: "r.io"}, password("u", "1")); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Delete(t.Context(), Resource{Host: "q.io"}); err != nil {
			t.Fatal(err)
		}
		if now, err := os.Stat(f.Path()); err != nil || !os.SameFile(before, now) {
			t.Errorf("%s: written for nothing, as %s", entries, read(t, f.Path()))
		}
	}
}

func TestDelete(t *testing.T) {
	f := fileStore(t, auths("https://index.docker.io/v1/", "u:1", "docker.io", "u:2", "registry-1.docker.io", "u:3", "https://index.docker.io/v1/access-token", "u:4", "r.io", "u:5", "https://r.io/v2/", "u:6", "r.io/a", "u:7"), nil)
	removed, err := f.Delete(t.Context(), Resource{Host: "index.docker.io"})
	if err != nil || len(removed) != 4 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if removed, err := f.Delete(t.Context(), Resource{Host: "r.io"}); err != nil || len(removed) != 2 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if removed, err := f.Delete(t.Context(), Resource{Host: "r.io"}); err != nil || len(removed) != 0 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if _, err := f.Credential(t.Context(), Resource{"r.io", "a"}); err != nil {
		t.Errorf("the path's entry went with the host's: %v", err)
	}
}

// Test20UnlockedWriter: a program that takes no lock writes while we do. What
// it writes before the rename is kept; what it takes away afterwards, by writing
// what it had read before, is put back; what it says anew stays.
func Test20UnlockedWriter(t *testing.T) {
	r := Resource{Host: "r.io"}
	start := auths("a.io", "u:1", "r.io", "u:old")
	for _, tc := range []struct {
		name  string
		hook  func(f *FileStore) *func()
		other string
		want  map[string]string
	}{
		{"while the new file is prepared", func(f *FileStore) *func() { return &f.beforeCompare }, auths("a.io", "u:1", "o.io", "u:2"), map[string]string{"a.io": "1", "o.io": "2", "r.io": "new"}},
		{"after the last look", func(f *FileStore) *func() { return &f.beforeCommit }, auths("a.io", "u:1", "o.io", "u:2"), map[string]string{"a.io": "1", "o.io": "2", "r.io": "new"}},
		{"what it had read before", func(f *FileStore) *func() { return &f.afterCommit }, auths("a.io", "u:1", "r.io", "u:old", "o.io", "u:2"), map[string]string{"a.io": "1", "o.io": "2", "r.io": "new"}},
		{"a login of its own", func(f *FileStore) *func() { return &f.afterCommit }, auths("a.io", "u:1", "r.io", "u:its"), map[string]string{"a.io": "1", "r.io": "its"}},
		{"a file that does not parse", func(f *FileStore) *func() { return &f.afterCommit }, "{", map[string]string{"a.io": ""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := fileStore(t, start, plaintext)
			times := 0
			*tc.hook(f) = func() {
				if times++; times == 1 {
					filesReplace(t, f.Path(), tc.other)
				}
			}
			if _, err := f.Put(t.Context(), r, password("u", "new")); err != nil {
				t.Fatal(err)
			}
			for host, want := range tc.want {
				if c, _ := f.Credential(t.Context(), Resource{Host: host}); c.Password.Reveal() != want {
					t.Errorf("%s has %q, want %q", host, c.Password.Reveal(), want)
				}
			}
			if left := filesLeft(t, f); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// Test20UnlockedWriterFirst: the same where there is no file yet.
func Test20UnlockedWriterFirst(t *testing.T) {
	f := fileStore(t, "", plaintext)
	times := 0
	f.beforeCommit = func() {
		if times++; times == 1 {
			filesReplace(t, f.Path(), auths("o.io", "u:2"))
		}
	}
	if _, err := f.Put(t.Context(), Resource{Host: "r.io"}, password("u", "new")); err != nil {
		t.Fatal(err)
	}
	filesAsk{"o.io", "2"}.put(t, f)
	filesAsk{"r.io", "new"}.put(t, f)
}

// Test20WithoutExchange: where files cannot be exchanged in one step, what is
// written up to the last look is kept, and everything else works as well.
func Test20WithoutExchange(t *testing.T) {
	f := fileStore(t, auths("a.io", "u:1"), plaintext)
	f.swap = func(_, _ string) error { return errors.ErrUnsupported }
	times := 0
	f.beforeCompare = func() {
		if times++; times == 1 {
			filesReplace(t, f.Path(), auths("a.io", "u:1", "o.io", "u:2"))
		}
	}
	if _, err := f.Put(t.Context(), Resource{Host: "r.io"}, password("u", "new")); err != nil {
		t.Fatal(err)
	}
	for _, a := range []filesAsk{{"a.io", "1"}, {"o.io", "2"}, {"r.io", "new"}} {
		a.put(t, f)
	}
	if left := filesLeft(t, f); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// Test20UnlockedWritersBetween: what comes while the write of another program
// is given back its place is newer than that, and stays.
func Test20UnlockedWritersBetween(t *testing.T) {
	for _, writers := range []int{1, 2, 3} {
		f := fileStore(t, auths("a.io", "u:0"), plaintext)
		times := 0
		write := func() {
			if times++; times <= writers {
				filesReplace(t, f.Path(), auths("a.io", fmt.Sprint("u:", times)))
			}
		}
		swap := f.swap
		f.swap = func(a, b string) error {
			write()
			return swap(a, b)
		}
		if _, err := f.Put(t.Context(), Resource{Host: "r.io"}, password("u", "new")); err != nil {
			t.Fatal(err)
		}
		filesAsk{"a.io", fmt.Sprint(writers)}.put(t, f)
		filesAsk{"r.io", "new"}.put(t, f)
		if left := filesLeft(t, f); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}
}

// Test20UndoneLogout: a logout that somebody undoes is made again too.
func Test20UndoneLogout(t *testing.T) {
	start := auths("a.io", "u:1", "r.io", "u:old")
	f := fileStore(t, start, nil)
	times := 0
	f.afterCommit = func() {
		if times++; times == 1 {
			filesReplace(t, f.Path(), start)
		}
	}
	removed, err := f.Delete(t.Context(), Resource{Host: "r.io"})
	if err != nil || len(removed) != 1 || removed[0].Key != "r.io" {
		t.Errorf("removed %v, %v", removed, err)
	}
	filesAsk{"r.io", ""}.put(t, f)
	filesAsk{"a.io", "1"}.put(t, f)
}

// Test20StillAtLast: a machine that is busy stretches each attempt, so that a
// program that writes all the time disturbs many in a row.
func Test20StillAtLast(t *testing.T) {
	f := fileStore(t, auths("a.io", "u:0"), plaintext)
	times := 0
	f.beforeCompare = func() {
		if times++; times <= 150 {
			filesReplace(t, f.Path(), auths("a.io", fmt.Sprint("u:", times)))
		}
	}
	if _, err := f.Put(t.Context(), Resource{Host: "r.io"}, password("u", "new")); err != nil {
		t.Fatal(err)
	}
	filesAsk{"a.io", "150"}.put(t, f)
	filesAsk{"r.io", "new"}.put(t, f)
	times = 0
	ctx, cancel := context.WithCancel(t.Context())
	f.beforeCompare = func() {
		if times++; times == 3 {
			cancel()
		}
		filesReplace(t, f.Path(), auths("a.io", fmt.Sprint("u:", times)))
	}
	if _, err := f.Put(ctx, Resource{Host: "s.io"}, password("u", "new")); !errors.Is(err, context.Canceled) || times != 3 {
		t.Errorf("after %d attempts: %v", times, err)
	}
}

// Test20NeverStill: a program that never stops is an error in the end, and
// what it wrote last stays.
func Test20NeverStill(t *testing.T) {
	for name, hook := range map[string]func(f *FileStore) *func(){
		"before": func(f *FileStore) *func() { return &f.beforeCompare },
		"after":  func(f *FileStore) *func() { return &f.afterCommit },
	} {
		f := fileStore(t, auths("a.io", "u:1"), plaintext)
		times := 1
		*hook(f) = func() {
			times++
			filesReplace(t, f.Path(), auths("a.io", fmt.Sprint("u:", times)))
		}
		if _, err := f.Put(t.Context(), Resource{Host: "s.io"}, password("u", canary)); err == nil || !strings.Contains(err.Error(), "another program") {
			t.Errorf("%s: %v", name, err)
		}
		filesAsk{"a.io", fmt.Sprint(times)}.put(t, f)
		if left := filesLeft(t, f); len(left) > 0 {
			t.Errorf("%s: left behind: %q", name, left)
		}
	}
}

// filesReplace writes as a program without a lock does.
func filesReplace(t *testing.T, path, content string) {
	t.Helper()
	temp := writeFile(t, filepath.Join(t.TempDir(), "new"), content)
	if err := os.Rename(temp, path); err != nil {
		t.Fatal(err)
	}
}
