package e2e_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// keyPair is somebody's OpenPGP key, written as gpg --export and
// --export-secret-keys write it.
type keyPair struct {
	name           string
	public, secret []byte
}

// Ana's key is RSA, Bruno's is Ed25519; both have the passphrase. Carla is
// whom nobody trusts.
var keyPairs = sync.OnceValues(func() (map[string]keyPair, error) {
	pairs := map[string]keyPair{}
	for name, config := range map[string]*packet.Config{
		"Ana":   {Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048},
		"Bruno": {Algorithm: packet.PubKeyAlgoEdDSA},
		"Carla": {Algorithm: packet.PubKeyAlgoEdDSA},
	} {
		e, err := openpgp.NewEntity(name, "charts", strings.ToLower(name)+"@example.com", config)
		if err != nil {
			return nil, err
		}
		var public, secret bytes.Buffer
		err = errors.Join(e.Serialize(&public), e.EncryptPrivateKeys([]byte(password), nil), e.SerializePrivateWithoutSigning(&secret, nil))
		if err != nil {
			return nil, err
		}
		pairs[name] = keyPair{name, public.Bytes(), secret.Bytes()}
	}
	return pairs, nil
})

// keys writes keyrings for a user: everybody's secret keys, and the public
// ones of those who are trusted, Ana and Bruno.
func (u *user) keys() (secring, pubring, passphrase string) {
	u.t.Helper()
	pairs, err := keyPairs()
	if err != nil {
		u.t.Fatal(err)
	}
	secring, pubring, passphrase = u.path("keys", "secring.gpg"), u.path("keys", "pubring.gpg"), u.path("keys", "passphrase")
	writeFile(u.t, secring, bytes.Join([][]byte{pairs["Ana"].secret, pairs["Bruno"].secret, pairs["Carla"].secret}, nil))
	writeFile(u.t, pubring, bytes.Join([][]byte{pairs["Ana"].public, pairs["Bruno"].public}, nil))
	writeFile(u.t, passphrase, []byte(password+"\n"))
	return secring, pubring, passphrase
}

// sign packages a directory with portolan, signed by one of the three.
func (u *user) sign(dir, dest, by string) string {
	u.t.Helper()
	secring, _, passphrase := u.keys()
	return u.json("package", dir, "-d", dest, "--sign", "--key", by, "--keyring", secring, "--passphrase-file", passphrase).Path
}

// TestProvenance signs every chart with portolan and with one of the Helms,
// verifies each with the others, and sends both through a registry.
func TestProvenance(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	for i, c := range charts(t) {
		by := []string{"Ana", "Bruno"}[i%2]
		helm := []*tool{helm3, helm4}[i/2%2]
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t)
			dir := unpack(t, c, u.path("chart"))
			ours := u.sign(dir, u.dir("ours"), by)
			testOurSignature(t, u, reg, ours, c)
			theirs := testTheirSignature(t, u, reg, helm, dir, by, c)
			if got, want := signedMetadata(t, ours), signedMetadata(t, theirs); got != want {
				t.Errorf("the signed Chart.yaml differs from Helm's\n got %s\nwant %s", got, want)
			}
		})
	}
}

func signedMetadata(t *testing.T, archive string) string {
	t.Helper()
	text, _, found := strings.Cut(string(readFile(t, archive+".prov")), "\n...\n")
	if !found {
		t.Fatalf("%s.prov has one part", archive)
	}
	return text
}

func testOurSignature(t *testing.T, u *user, reg *registryServer, archive string, c chartFile) {
	t.Helper()
	_, pubring, _ := u.keys()
	ref := reg.ref("ours/%s", c.name)
	u.json("push", archive, ref)
	for name, helm := range helms {
		u.run(helm, "verify", archive, "--keyring", pubring)
		got := u.dir("pulled-" + name)
		u.run(helm, "pull", "oci://"+ref, "--version", c.version, "--plain-http", "--verify", "--keyring", pubring, "-d", got)
		if !bytes.Equal(readFile(t, filepath.Join(got, filepath.Base(archive)+".prov")), readFile(t, archive+".prov")) {
			t.Errorf("%s pulls another provenance file", name)
		}
	}
}

func testTheirSignature(t *testing.T, u *user, reg *registryServer, helm *tool, dir, by string, c chartFile) string {
	t.Helper()
	secring, pubring, passphrase := u.keys()
	dest := u.dir("theirs")
	u.run(helm, "package", dir, "-d", dest, "--sign", "--key", by, "--keyring", secring, "--passphrase-file", passphrase)
	archive := filepath.Join(dest, c.name+"-"+c.version+".tgz")
	u.run(helm, "push", archive, "oci://"+reg.host+"/theirs", "--plain-http")
	pulled := u.json("pull", reg.ref("theirs/%s:%s", c.name, c.tag()), "-d", u.dir("back"), "--verify", "--keyring", pubring, "--prov")
	for _, suffix := range []string{"", ".prov"} {
		if !bytes.Equal(readFile(t, pulled.Path+suffix), readFile(t, archive+suffix)) {
			t.Errorf("%s%s comes back as other bytes", archive, suffix)
		}
	}
	u.run(helm, "verify", pulled.Path, "--keyring", pubring)
	return archive
}

// TestVerify: what is not signed as it should be ends with status 5, and
// nothing is written.
func TestVerify(t *testing.T) {
	t.Parallel()
	reg := startRegistry(t, registryOptions{})
	u := newUser(t)
	_, pubring, _ := u.keys()
	signed := func(version, by string) string {
		return u.sign(chartDir(t, u.path("src", version, by), "harbour", version), u.dir("dist", version, by), by)
	}
	push := func(archive, repository string, tags ...string) outcome {
		args := []string{"push", archive, reg.ref("%s", repository), "--force"}
		for _, tag := range tags {
			args = append(args, "--tag", tag)
		}
		return u.json(args...)
	}
	old, good := signed("1.0.0", "Ana"), signed("1.1.0", "Ana")
	first := push(old, "team/harbour")
	push(good, "team/harbour", "latest")
	push(signed("1.2.0", "Carla"), "team/harbour")
	push(signed("1.3.0", "Bruno"), "team/pier", "latest")
	unsigned := packed(t, u, chartDir(t, u.path("src", "unsigned"), "harbour", "1.4.0"))
	push(unsigned.path, "team/harbour")
	swapProvenance := func(archive string) string {
		writeFile(t, archive+".prov", readFile(t, good+".prov"))
		return archive
	}
	src := chartDir(t, u.path("src", "changed"), "harbour", "1.1.0")
	writeFile(t, filepath.Join(src, "values.yaml"), []byte("replicas: 1000\n"))
	changed := swapProvenance(packed(t, u, src).path)
	u.portolan("push", changed, reg.ref("team/changed/harbour")).fails(t, exitVerify, ".prov", "another archive")
	u.run(helm4, "push", changed, "oci://"+reg.host+"/team/changed", "--plain-http")
	u.run(helm4, "push", swapProvenance(signed("1.5.0", "Bruno")), "oci://"+reg.host+"/team", "--plain-http")
	// What no client that means well would push.
	reg.do(t, "PUT", "/v2/team/harbour/manifests/1.9.0", manifestType, reg.manifest(t, "team/harbour", "1.0.0"))

	for _, tc := range []struct {
		name  string
		ref   string
		args  []string
		code  int // 0: accepted
		words []string
	}{
		{"signed", "team/harbour:1.1.0", nil, 0, nil},
		{"the same again, from the cache", "team/harbour:1.1.0", nil, 0, nil},
		{"the same again, offline", "team/harbour:1.1.0", []string{"--offline"}, 0, nil},
		{"latest", "team/harbour:latest", nil, 0, nil},
		{"by range", "team/harbour", []string{"--version", "~1.1"}, 0, nil},
		{"by digest", "team/harbour@" + first.Digest, nil, 0, nil},
		{"another key", "team/harbour:1.2.0", nil, exitVerify, []string{"not in the keyring"}},
		{"not signed", "team/harbour:1.4.0", nil, exitVerify, []string{"no provenance"}},
		{"tampered archive", "team/changed/harbour:1.1.0", nil, exitVerify, []string{"sha256"}},
		{"swapped provenance", "team/harbour:1.5.0", nil, exitVerify, []string{"sha256"}},
		{"old version under a new tag", "team/harbour:1.9.0", nil, exitVerify, []string{"1.0.0", "1.9.0"}},
		{"the same, by range", "team/harbour", []string{"--version", "^1.9"}, exitVerify, []string{"1.0.0"}},
		{"another chart", "team/pier:1.3.0", nil, exitVerify, []string{"harbour", "pier"}},
		{"no provenance to save", "team/harbour:1.4.0", []string{"--verify=false", "--keyring=", "--prov"}, exitNotFound, []string{"no provenance"}},
		{"no keyring", "team/harbour:1.1.0", []string{"--keyring", u.path("keys", "none")}, exitOther, []string{"none"}},
		{"no key in it", "team/harbour:1.1.0", []string{"--keyring", u.path("keys", "passphrase")}, exitOther, []string{"keyring"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dest := filepath.Join(t.TempDir(), "dest")
			args := append([]string{"pull", reg.ref("%s", tc.ref), "-d", dest, "--verify", "--keyring", pubring}, tc.args...)
			if tc.code == 0 {
				if out := u.portolan(append(args, "-o", "json")...).ok(t); !strings.Contains(out, `"verifiedBy": [`) || !strings.Contains(out, "Ana (charts) <ana@example.com>") {
					t.Errorf("it does not say who signed:\n%s", out)
				}
				return
			}
			u.portolan(args...).fails(t, tc.code, tc.words...)
			if left := listFiles(t, dest); len(left) != 0 {
				t.Errorf("written: %q", left)
			}
		})
	}
	u.portolan("show", "values", reg.ref("team/harbour:1.2.0"), "--verify", "--keyring", pubring).fails(t, exitVerify, "keyring")
	u.portolan("show", "values", reg.ref("team/harbour:1.1.0"), "--verify", "--keyring", pubring).ok(t)
	u.leavesNothing()
}

// TestSigning: what goes wrong leaves neither file; what is kept under a
// reference keeps its signature.
func TestSigning(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	secring, pubring, passphrase := u.keys()
	dir := chartDir(t, u.path("src"), "harbour", "1.0.0")
	wrong := u.path("keys", "wrong")
	writeFile(t, wrong, []byte("not "+password+"\n"))
	dest := u.path("dest")
	for name, tc := range map[string]struct {
		args  []string
		code  int
		words []string
	}{
		"wrong passphrase":    {[]string{"--sign", "--key", "Ana", "--keyring", secring, "--passphrase-file", wrong}, exitOther, []string{"passphrase", "Ana"}},
		"nobody to ask":       {[]string{"--sign", "--key", "Ana", "--keyring", secring}, exitUsage, []string{"--passphrase-file"}},
		"public keys alone":   {[]string{"--sign", "--key", "Ana", "--keyring", pubring, "--passphrase-file", passphrase}, exitOther, []string{"public half"}},
		"unknown key":         {[]string{"--sign", "--key", "Dora", "--keyring", secring, "--passphrase-file", passphrase}, exitOther, []string{"Dora"}},
		"which key":           {[]string{"--sign", "--key", "example.com", "--keyring", secring, "--passphrase-file", passphrase}, exitOther, []string{"more than one"}},
		"no default keyring":  {[]string{"--sign"}, exitUsage, []string{".gnupg", "--keyring"}},
		"a key and no --sign": {[]string{"--key", "Ana"}, exitUsage, []string{"--sign"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := u.portolan(append([]string{"package", dir, "-d", dest}, tc.args...)...)
			r.fails(t, tc.code, tc.words...)
			if strings.Contains(r.stderr, password) {
				t.Errorf("the passphrase shows: %s", r.stderr)
			}
			if left := listFiles(t, dest); len(left) != 0 {
				t.Errorf("written: %q", left)
			}
		})
	}
	u.portolan("pull", "localhost:1/team/harbour", "--keyring", pubring).fails(t, exitUsage, "--verify")

	reg := startRegistry(t, registryOptions{})
	ref := reg.ref("team/harbour:1.0.0")
	u.portolanWith(password+"\n", "package", dir, ref, "--sign", "--key", "Bruno", "--keyring", secring, "--passphrase-file", "-").ok(t)
	u.portolan("push", ref).ok(t)
	writeFile(t, u.path(".gnupg", "pubring.gpg"), readFile(t, pubring))
	u.portolan("pull", ref, "--verify").ok(t)
	for name, helm := range helms {
		helmUser := newUser(t)
		helmUser.run(helm, "pull", "oci://"+reg.ref("team/harbour"), "--version", "1.0.0", "--plain-http", "--verify", "--keyring", pubring, "-d", helmUser.dir("got"))
		if got := listFiles(t, helmUser.path("got")); len(got) != 2 {
			t.Errorf("%s has pulled %q", name, got)
		}
	}
}
