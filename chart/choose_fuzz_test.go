package chart

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/internal/version"
	"github.com/portolan-oci/portolan/registry"
)

// tagList is a source that knows its tags, in one page.
type tagList []string

func (l tagList) Tags(_ context.Context, _ string, fn func([]string) error) error { return fn(l) }

// FuzzChoose: what is chosen can be asked for, what a list decided is in it and
// in the range, and no order of the tags makes a difference.
func FuzzChoose(f *testing.F) {
	for _, version := range []string{"", "*", "1.x", "^1.2", "1.2.3", "v1.2", "1", "1.2.3_b", ">=1, <2", "latest", "1.2.3-rc.1", "stable\n", "1 || x"} {
		f.Add("1.0.0 1.2.3 v1.2.3 1.2.3_b.2 1.2.3_b.10 1.2 2.0.0-rc.1 latest 20240101.1 sha256-00.sig", version, false)
		f.Add("1.0.0-alpha.2 1.0.0-alpha.10", version, true)
	}
	f.Fuzz(func(t *testing.T, tags, wanted string, prereleases bool) {
		list := tagList(strings.Fields(tags))
		find := func() (choice, error) {
			var got choice
			err := choose(t.Context(), list, registry.Reference{Host: "registry.example", Repository: "a"}, Selector{Version: wanted, Prereleases: prereleases}, func(ch choice) error {
				if !slices.Contains(list, ch.object) {
					return registry.ErrNotFound
				}
				got = ch
				return nil
			})
			return got, err
		}
		got, err := find()
		slices.Sort(list)
		sorted, _ := find()
		slices.Reverse(list)
		if reversed, _ := find(); got != sorted || sorted != reversed {
			t.Errorf("%q of %v: %v, %v or %v, by the order of the tags", wanted, list, got, sorted, reversed)
		}
		if err != nil {
			if !errors.Is(err, registry.ErrNotFound) && !errors.Is(err, registry.ErrInvalidReference) {
				t.Errorf("error %v matches no sentinel", err)
			}
			return
		}
		v, isVersion := versionOf(got.object)
		switch got.how {
		case ByTag:
			if got.object != registry.TagOfVersion(wanted) {
				t.Errorf("%q is the tag %q", wanted, got.object)
			}
		case ByVersion:
			if exact, err := version.Parse(registry.VersionOfTag(wanted)); err != nil || !isVersion || !version.SameVersion(exact, v.parsed) {
				t.Errorf("%q is the version %q", wanted, got.object)
			}
		default:
			in, err := inRange(wanted, prereleases)
			if err != nil || !isVersion || !in(v.parsed) {
				t.Errorf("%q is in the range %q: %v", got.object, wanted, err)
			}
		}
	})
}
