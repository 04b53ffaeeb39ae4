package e2e_test

import "testing"

// TestUsage gives the command lines that mean nothing, or not what their user
// thinks: each is refused before a request is made.
func TestUsage(t *testing.T) {
	t.Parallel()
	c := smallChart(t, "harbour", "1.0.0")
	const ref = "localhost:1/team/harbour" // nobody listens
	for name, tc := range map[string]struct {
		args  []string
		words []string
	}{
		"push offline":          {[]string{"push", c.path, ref, "--offline"}, []string{"--offline"}},
		"login offline":         {[]string{"login", "localhost:1", "--offline", "-u", "me", "--password-stdin"}, []string{"--offline"}},
		"no chart's name":       {[]string{"push", "", ref}, []string{"empty"}},
		"no time":               {[]string{"push", c.path, ref, "--created", "yesterday"}, []string{"yesterday"}},
		"no tag":                {[]string{"push", c.path, ref, "--tag", "no tag"}, []string{"no tag"}},
		"tag of another":        {[]string{"push", c.path, ref, "--tag", "2.0.0"}, []string{"2.0.0", "1.0.0"}},
		"negative time":         {[]string{"pull", ref, "--timeout", "-5s"}, []string{"negative"}},
		"no host":               {[]string{"pull", ref, "--plain-http=typo"}, []string{"typo"}},
		"plain HTTP and TLS":    {[]string{"pull", ref, "--plain-http", "--insecure-skip-tls-verify"}, []string{"exclude"}},
		"half a pair":           {[]string{"pull", ref, "--cert-file", c.path}, []string{"both"}},
		"bare and named":        {[]string{"pull", ref, "--plain-http", "--ca-file", "localhost:1=" + c.path}, []string{"localhost:1"}},
		"unknown output":        {[]string{"resolve", ref, "-o", "yaml"}, []string{"yaml"}},
		"unknown cache command": {[]string{"cache", "frob"}, []string{"frob"}},
		"no cache command":      {[]string{"cache"}, nil},
		"unknown part":          {[]string{"show", "icon", ref}, []string{"icon"}},
		"version and its tag":   {[]string{"pull", ref + ":1.0.0", "--version", "2.0.0"}, []string{"2.0.0"}},
		"versions of a tag":     {[]string{"versions", ref + ":1.0.0"}, []string{"repository"}},
		"bad epoch":             {[]string{"package", c.path}, []string{"SOURCE_DATE_EPOCH"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			if name == "bad epoch" {
				u.env = append(u.env, "SOURCE_DATE_EPOCH=soon")
			}
			u.portolan(tc.args...).fails(t, exitUsage, tc.words...)
			u.leavesNothing()
		})
	}
}

// TestFurtherTags sets tags beside the version: they never replace an image,
// nor a version that is out.
func TestFurtherTags(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	u := newUser(t)
	c, other := smallChart(t, "harbour", "1.0.0"), smallChart(t, "harbour", "1.1.0")
	u.json("push", c.path, reg.ref("team/harbour"), "--tag", "latest", "--tag", "1.0")
	u.json("push", other.path, reg.ref("team/harbour"), "--tag", "latest")
	if a, b := reg.manifest(t, "team/harbour", "latest"), reg.manifest(t, "team/harbour", "1.1.0"); string(a) != string(b) {
		t.Error("latest has not moved")
	}
	if a, b := reg.manifest(t, "team/harbour", "1.0"), reg.manifest(t, "team/harbour", "1.0.0"); string(a) != string(b) {
		t.Error("1.0 is not what it was")
	}
	reg.putManifest(t, "team/harbour", "image", imageManifest{
		SchemaVersion: 2,
		Config:        reg.putBlob(t, "team/harbour", "application/vnd.oci.image.config.v1+json", []byte(`{"architecture":"amd64","os":"linux"}`)),
		Layers:        []descriptor{},
	})
	u.portolan("push", c.path, reg.ref("team/harbour"), "--tag", "image").fails(t, exitConflict, "image")
	u.portolan("versions", reg.ref("team/harbour"), "--version", "^9").fails(t, exitNotFound, "^9")
}
