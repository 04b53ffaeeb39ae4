package auth

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestExecPluginProgram is the plugin that the tests run: this test binary,
// started again. It notes what it is asked and gives the answer that it was
// told, with the number of the run in the place of #.
func TestExecPluginProgram(t *testing.T) {
	dir := os.Getenv("EXEC_PLUGIN")
	if dir == "" {
		t.Skip("this is not a run of the plugin")
	}
	request, err := io.ReadAll(os.Stdin)
	if err != nil {
		os.Exit(9)
	}
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		os.Exit(9)
	}
	log.Write(request)
	before, err := os.ReadFile(log.Name())
	if err != nil {
		os.Exit(9)
	}
	if os.Mkdir(filepath.Join(dir, "busy"), 0o700) != nil && os.Getenv("EXEC_KILLED") == "" {
		os.Exit(8) // two at a time, and none was killed before
	}
	pause, _ := time.ParseDuration(os.Getenv("EXEC_PAUSE"))
	time.Sleep(pause)
	os.Remove(filepath.Join(dir, "busy"))
	answer, err := os.ReadFile(filepath.Join(dir, "answer"))
	if err != nil {
		os.Exit(7)
	}
	fmt.Print(strings.ReplaceAll(string(answer), "#", fmt.Sprint(strings.Count(string(before), "\n"))))
	if os.Getenv("EXEC_FAIL") != "" {
		fmt.Fprintln(os.Stderr, canary)
		os.Exit(1)
	}
	os.Exit(0)
}

// execPlugin is a plugin with its clock and what it was asked.
type execPlugin struct {
	*Plugin
	t   *testing.T
	dir string
	mu  sync.Mutex
	at  time.Time
}

func newExecPlugin(t *testing.T, opts PluginOptions) *execPlugin {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	x := &execPlugin{t: t, dir: t.TempDir(), at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	opts.Args = []string{"-test.run=^TestExecPluginProgram$"}
	// The race detector lets each process sleep for a second at its end.
	opts.Env = append(Environ{"EXEC_PLUGIN=" + x.dir, "GORACE=atexit_sleep_ms=0"}, opts.Env...)
	if opts.MatchImages == nil {
		opts.MatchImages = []string{"*.example.com"}
	}
	if x.Plugin, err = NewPlugin(program, &opts); err != nil {
		t.Fatal(err)
	}
	x.now = func() time.Time {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.at
	}
	return x
}

func (x *execPlugin) pass(d time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.at = x.at.Add(d)
}

// answers makes the plugin give this answer; more are members before auth.
func (x *execPlugin) answers(more, auth string) *execPlugin {
	writeFile(x.t, filepath.Join(x.dir, "answer"), `{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderResponse",`+more+`"auth":`+auth+`}`)
	return x
}

func (x *execPlugin) runs() int {
	log, err := os.ReadFile(filepath.Join(x.dir, "log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		x.t.Fatal(err)
	}
	return strings.Count(string(log), "\n")
}

func (x *execPlugin) user(address string) string {
	x.t.Helper()
	c, err := x.Credential(x.t.Context(), mustParse(x.t, address))
	if err != nil {
		return err.Error()
	}
	return c.Username
}

const execAnyone = `{"*.example.com":{"username":"u#","password":"` + canary + `"}}`

// Test30PluginKeeps: an answer holds for the repository, the registry or
// everything, for as long as it says, and not at all when it says 0.
func Test30PluginKeeps(t *testing.T) {
	const kept = `"cacheDuration":"10m",`
	type step struct {
		after         time.Duration
		address, want string
	}
	for _, tc := range []struct {
		name, more string
		byDefault  time.Duration
		steps      []step
	}{
		{"for the image", kept + `"cacheKeyType":"Image",`, 0, []step{
			{0, "a.example.com/x", "u1"}, {0, "a.example.com/x", "u1"}, {0, "a.example.com/x/y", "u2"}, {0, "b.example.com/x", "u3"}, {0, "a.example.com/x", "u1"},
		}},
		{"for the registry", kept + `"cacheKeyType":"Registry",`, 0, []step{
			{0, "a.example.com/x", "u1"}, {0, "a.example.com/y", "u1"}, {0, "a.example.com", "u1"}, {0, "b.example.com/x", "u2"}, {0, "a.example.com/x", "u1"},
		}},
		{"for all", kept + `"cacheKeyType":"Global",`, 0, []step{
			{0, "a.example.com/x", "u1"}, {0, "b.example.com/y", "u1"}, {0, "c.example.com", "u1"},
		}},
		{"until shortly before its end", kept + `"cacheKeyType":"Global",`, 0, []step{
			{0, "a.example.com", "u1"}, {570*time.Second - 1, "a.example.com", "u1"}, {1, "a.example.com", "u2"},
		}},
		{"a short one until a fifth is left", `"cacheDuration":"10s","cacheKeyType":"Global",`, 0, []step{
			{0, "a.example.com", "u1"}, {8*time.Second - 1, "a.example.com", "u1"}, {1, "a.example.com", "u2"},
		}},
		{"zero", `"cacheDuration":"0s","cacheKeyType":"Global",`, time.Hour, []step{
			{0, "a.example.com", "u1"}, {0, "a.example.com", "u2"},
		}},
		{"no time, no default", `"cacheKeyType":"Global",`, 0, []step{
			{0, "a.example.com", "u1"}, {0, "a.example.com", "u2"},
		}},
		{"no time, the default", `"cacheKeyType":"Image",`, time.Hour, []step{
			{0, "a.example.com", "u1"}, {59 * time.Minute, "a.example.com", "u1"}, {30 * time.Second, "a.example.com", "u2"},
		}},
		{"null, the default", `"cacheDuration":null,"cacheKeyType":"Image",`, time.Hour, []step{
			{0, "a.example.com", "u1"}, {59 * time.Minute, "a.example.com", "u1"},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x := newExecPlugin(t, PluginOptions{DefaultCacheDuration: tc.byDefault}).answers(tc.more, execAnyone)
			for i, s := range tc.steps {
				x.pass(s.after)
				if got := x.user(s.address); got != s.want {
					t.Errorf("step %d, %s: %s, want %s", i, s.address, got, s.want)
				}
			}
		})
	}
}

// Test30PluginChooses: of the entries that match the best one counts, one that
// cannot be used is passed by, and an answer without a match is kept too.
func Test30PluginChooses(t *testing.T) {
	const all = `"cacheDuration":"1h","cacheKeyType":"Global",`
	x := newExecPlugin(t, PluginOptions{MatchImages: []string{"*.example.com", "docker.io"}}).answers(all, `{
		"*.example.com":        {"username":"star","password":"1"},
		"*.example.com/team/a": {"username":"star with a path","password":"1"},
		"r.example.com":        {"username":"host","password":"1"},
		"r.example.com/team":   {"username":"team","password":"1"},
		"r.example.com/team/b": {"username":"","password":"`+canary+`"},
		"s.example.com:5000":   {"username":"port","password":"1"},
		"b.example.com/x":      {"username":"b:ad","password":"`+canary+`"},
		"https://index.docker.io/v1/": {"username":"hub","password":"1"},
		"other.io":             {"username":"other","password":"1"}}`)
	for address, want := range map[string]string{
		"r.example.com/team/a": "team", "r.example.com/team": "team", "r.example.com/teams": "host", "r.example.com": "host",
		"r.example.com/team/b": "team", "s.example.com": "star", "q.example.com/team/a/c": "star with a path", "q.example.com/team": "star",
		"docker.io/library/a": "hub", "b.example.com/x": "star",
	} {
		if got := x.user(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if n := x.runs(); n != 1 {
		t.Errorf("the plugin ran %d times", n)
	}
	for name, auth := range map[string]string{"null": `null`, "empty": `{}`, "of others": `{"other.io":{"username":"u","password":"1"}}`} {
		x := newExecPlugin(t, PluginOptions{}).answers(all, auth)
		for range 2 {
			if _, err := x.Credential(t.Context(), Resource{Host: "r.example.com"}); err != ErrNoCredential {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := x.runs(); n != 1 {
			t.Errorf("%s: the plugin ran %d times", name, n)
		}
	}
}
