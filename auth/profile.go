package auth

import (
	"encoding/json"
	"errors"
	"slices"
)

// profile is what one family of programs makes of the file format that they
// all share.
type profile struct {
	kind string
	// pathKeys says that entries for paths may be written.
	pathKeys bool
	// containers reads as podman and its relatives do (containers-auth.json(5)):
	// there is no credsStore, and an entry is its auth and its identity token.
	containers bool
	// bare is the format of ~/.dockercfg: the entries without anything around.
	bare bool
	// kubelet takes keys for patterns of images.
	kubelet bool
}

var (
	dockerProfile     = profile{kind: "docker config"}
	helmProfile       = profile{kind: "helm config", pathKeys: true}
	containersProfile = profile{kind: "containers config", pathKeys: true, containers: true}
	dockercfgProfile  = profile{kind: "dockercfg", bare: true}
)

func (p profile) parse(data []byte) (*config, error) {
	if p.bare {
		return parseBare(data)
	}
	cfg, err := parseConfig(data)
	if err == nil && p.containers {
		cfg.defaultHelper = ""
	}
	return cfg, err
}

// key is the key under which a credential for r is written, in the file and in
// a helper. Podman names Docker Hub as any other host.
func (p profile) key(r Resource) string {
	if p.containers {
		return r.canonical().String()
	}
	return canonicalKey(r)
}

// hostKeys are the keys that may hold a credential for the whole host of r, in
// the order in which they count.
func (p profile) hostKeys(r Resource) []string {
	return unique(append([]string{p.key(Resource{Host: r.Host})}, hostSpellings(r)...))
}

// keys are those of exactly r.
func (p profile) keys(r Resource) []string {
	if r.Path != "" {
		return pathSpellings(r)
	}
	return p.hostKeys(r)
}

// decode reads an entry as the programs of this profile do.
func (p profile) decode(raw json.RawMessage) (Credential, error) {
	if !p.containers {
		return decodeEntry(raw)
	}
	var e entry
	if json.Unmarshal(raw, &e) != nil {
		return Credential{}, errNotStrings
	}
	if e.Auth == "" {
		return Credential{}, nil
	}
	user, password, err := decodeAuth(e.Auth)
	if err != nil {
		return Credential{}, err
	}
	c := Credential{Username: user, Password: NewSecret(password), IdentityToken: NewSecret(e.IdentityToken)}
	if c.Password.IsZero() && c.IdentityToken.IsZero() {
		return Credential{}, nil
	}
	return c, c.check()
}

// refuse tells why c cannot be written for r into the file.
func (p profile) refuse(r Resource, c Credential) error {
	switch {
	case p.containers && !c.RegistryToken.IsZero():
		return &Error{
			Stage: StageConfig, Origin: Origin{Kind: p.kind, Key: r.String()},
			Message: "podman and its relatives do not read registry tokens",
			Hint:    "keep it in docker's file or in Helm's",
		}
	case r.Path != "" && !p.pathKeys:
		return &Error{
			Stage: StageConfig, Origin: Origin{Kind: p.kind, Key: r.String()},
			Message: "docker keeps one credential for each host, and would use one for a path everywhere on it",
			Hint:    "log in to " + r.Host + ", or keep it in Helm's file or in that of podman",
		}
	}
	return nil
}

// parseBare reads a map of keys to entries.
func parseBare(data []byte) (*config, error) {
	auths, err := parseObject(data)
	if err != nil {
		return nil, errors.New("it is not a JSON object of entries")
	}
	return &config{auths: auths}, nil
}

// resourceOf tells what a key of auths is for. It has none for a key that no
// look-up asks for, such as those of docker's browser login.
func (p profile) resourceOf(key string) (Resource, bool) {
	folded := foldHost(key)
	if slices.Contains(hubTokenKeys, folded) {
		return Resource{}, false
	}
	if host, err := parseHost(hostOf(folded)); err == nil {
		if r := (Resource{Host: host}); slices.Contains(p.hostKeys(r), folded) {
			return r.canonical(), true
		}
	}
	r, err := ParseResource(folded)
	if err != nil || r.Path == "" || !slices.Contains(pathSpellings(r), folded) {
		return Resource{}, false
	}
	return r.canonical(), true
}
