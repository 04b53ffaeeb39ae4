package e2e_test

import (
	"bytes"
	"testing"
)

// TestBadReference covers what is wrong with the words of the command line.
func TestBadReference(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	c := smallChart(t, "harbour", "1.0.0")
	newUser(t).json("push", c.path, reg.ref("team/harbour:1.0.0"))
	for name, tc := range map[string]struct {
		args  []string
		code  int
		words []string
	}{
		"no tag where one is needed": {[]string{"push", reg.ref("team/harbour")}, exitUsage, []string{"tag"}},
		"upper-case repository":      {[]string{"pull", reg.ref("Team/harbour:1.0.0")}, exitUsage, []string{"upper-case"}},
		"port that looks like a tag": {[]string{"pull", reg.host}, exitUsage, []string{reg.host}},
		"host and tag alone":         {[]string{"pull", "registry.example:1.0.0"}, exitUsage, []string{"registry.example:1.0.0"}},
		"https prefix":               {[]string{"pull", "https://" + reg.ref("team/harbour:1.0.0")}, exitUsage, []string{"https://"}},
		"no host":                    {[]string{"pull", "harbour:1.0.0"}, exitUsage, []string{"harbour:1.0.0"}},
		"bad digest":                 {[]string{"pull", reg.ref("team/harbour@sha256:abc")}, exitUsage, []string{"digest"}},
		"empty":                      {[]string{"pull", ""}, exitUsage, nil},
		"no argument":                {[]string{"pull"}, exitUsage, nil},
		"unknown flag":               {[]string{"pull", "--colour", reg.ref("team/harbour:1.0.0")}, exitUsage, []string{"--colour"}},
		"unknown command":            {[]string{"sail"}, exitUsage, []string{"sail"}},
		"bad range":                  {[]string{"pull", reg.ref("team/harbour"), "--version", ">="}, exitUsage, []string{">="}},

		"unknown repository":   {[]string{"pull", reg.ref("team/nothing:1.0.0")}, exitNotFound, []string{"team/nothing"}},
		"unknown tag":          {[]string{"pull", reg.ref("team/harbour:9.9.9")}, exitNotFound, []string{"9.9.9"}},
		"no version matches":   {[]string{"pull", reg.ref("team/harbour"), "--version", "^2"}, exitNotFound, []string{"^2", "1.0.0"}},
		"no versions":          {[]string{"pull", reg.ref("team/nothing")}, exitNotFound, []string{"team/nothing"}},
		"forgotten chart name": {[]string{"pull", reg.ref("team:1.0.0")}, exitNotFound, []string{"team:1.0.0"}},
		"unknown digest": {
			[]string{"pull", reg.ref("team/harbour@sha256:%s", sum(nil))}, exitNotFound, []string{sum(nil)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			u.portolan(tc.args...).fails(t, tc.code, tc.words...)
			u.leavesNothing()
		})
	}
}

// TestReferenceSpellings shows what is accepted on the way in.
func TestReferenceSpellings(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	c := smallChart(t, "harbour", "1.2.3+build.5")
	pushed := newUser(t).json("push", c.path, reg.ref("team/harbour:1.2.3+build.5"))
	for _, ref := range []string{
		"oci://" + reg.ref("team/harbour:1.2.3+build.5"),
		reg.ref("team/harbour:1.2.3_build.5"),
		reg.ref("team/harbour"),
		reg.ref("team/harbour@%s", pushed.Digest),
		reg.ref("team/harbour:1.2.3+build.5@%s", pushed.Digest),
	} {
		u := newUser(t)
		out := u.json("pull", ref, "-d", u.dir("got"))
		if out.Digest != pushed.Digest || !bytes.Equal(readFile(t, out.Path), c.data) {
			t.Errorf("pull %s: digest %s, want %s", ref, out.Digest, pushed.Digest)
		}
	}
}

// TestMovedTag pulls by tag and digest after the tag has moved on.
func TestMovedTag(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	ref := reg.ref("team/harbour:1.0.0")
	publisher := newUser(t)
	old := smallChart(t, "harbour", "1.0.0")
	first := publisher.json("push", old.path, ref)

	dir := chartDir(t, publisher.path("next"), "harbour", "1.0.0")
	writeFile(t, dir+"/values.yaml", []byte("replicas: 2\n"))
	publisher.portolan("push", dir, ref).fails(t, exitConflict, "1.0.0")
	if got := reg.manifest(t, "team/harbour", "1.0.0"); "sha256:"+sum(got) != first.Digest {
		t.Fatal("a refused push has moved the tag")
	}
	second := publisher.json("push", dir, ref, "--force")
	if second.Digest == first.Digest || second.Sent == 0 {
		t.Fatalf("forced push: %+v after %+v", second, first)
	}

	u := newUser(t)
	u.pulls(ref+"@"+first.Digest, old)
	checked := newUser(t)
	checked.portolan("pull", ref+"@"+first.Digest, "--check-tag").fails(t, exitConflict, "1.0.0", second.Digest)
	checked.leavesNothing()
	checked.json("pull", ref+"@"+second.Digest, "--check-tag", "-d", checked.dir("got"))
}
