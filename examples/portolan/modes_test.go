package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// The ages of the modes are written as those of cache gc are.
func TestModesTakeDays(t *testing.T) {
	var m modeFlags
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	m.registerModes(flags)
	if err := flags.Parse([]string{"--max-age", "1h30m", "--stale-if-error", "7d"}); err != nil {
		t.Fatal(err)
	}
	if p := m.policy(); p.MaxAge != 90*time.Minute || p.StaleIfError != 7*24*time.Hour {
		t.Errorf("max-age %s, stale-if-error %s", p.MaxAge, p.StaleIfError)
	}
	for _, bad := range []string{"-1s", "-1d", "30", ""} {
		if err := flags.Parse([]string{"--max-age=" + bad}); err == nil {
			t.Errorf("--max-age=%s is taken", bad)
		}
	}
}

// A flag that takes one of a few words offers these, and no files.
func TestFlagsOfWordsAreCompleted(t *testing.T) {
	for flag, want := range map[string]string{"--moved": "note\nrefuse\nwarn\n:4\n", "--output": "json\ntable\n:4\n"} {
		var out, err bytes.Buffer
		run(t.Context(), []string{"__complete", "pull", flag, ""}, streams{strings.NewReader(""), &out, &err})
		if out.String() != want {
			t.Errorf("%s: %q, want %q; %s", flag, &out, want, &err)
		}
	}
}
