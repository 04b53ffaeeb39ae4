package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Matching says which entries of a configuration answer for a resource.
type Matching int

const (
	// MatchDocker is as in docker's file: hosts under their canonical and
	// their legacy spellings, and paths by whole segments.
	MatchDocker Matching = iota
	// MatchContainers is as in the auth.json of podman: the same keys, of
	// which entries without an auth do not count.
	MatchContainers
	// MatchKubelet is as for a pull secret of Kubernetes: keys may be patterns.
	// A star, a question mark and a class in brackets stand within one label of
	// the host, the port must be the same, and a path covers what lies below it
	// by whole segments (the kubelet lets host/team cover host/teams too). Host
	// names go before wildcards, and longer keys before shorter ones. Where
	// several keys match, the kubelet tries all; here the first with a
	// credential answers, alone.
	MatchKubelet
)

var errNotConfig = errors.New("it is not a JSON object with auths")

// FromDockerConfigJSON reads the content of a pull secret: that of the type
// kubernetes.io/dockerconfigjson, which has auths, or of kubernetes.io/dockercfg,
// which is the map of entries itself. An object without auths is the latter.
// Helpers that it names are not run. A bad entry disables only itself; it is
// reported by its key when nothing else answers. What is not such JSON, and an
// unknown matching, are an error; the JSON's matches ErrConfigInvalid and
// repeats nothing of it. The data is not kept.
func FromDockerConfigJSON(data []byte, m Matching) (Provider, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	e, err := parsePullSecret(data, m, Origin{Kind: "pull secret"})
	if err != nil {
		return nil, err
	}
	return &pullSecret{e}, nil
}

// FromDockerConfigFile is FromDockerConfigJSON for a file that is read at each
// look-up, such as a mounted pull secret, which Kubernetes replaces when it is
// rotated. Whatever is wrong with the file, if it is missing too, and an unknown
// matching, is ErrConfigInvalid at each look-up.
func FromDockerConfigFile(path string, m Matching) Provider { return pullSecretFile{path, m} }

func (m Matching) check() error {
	if m < MatchDocker || m > MatchKubelet {
		return fmt.Errorf("unknown matching %d of pull secrets", m)
	}
	return nil
}

func parsePullSecret(data []byte, m Matching, source Origin) (entries, error) {
	e := entries{profile: pullSecretProfiles[m], source: source}
	top, err := parseObject(data)
	if err != nil {
		return e, invalidConfig(source, errNotConfig)
	}
	e.auths = top
	if raw, found := top.get("auths"); found {
		if e.auths, err = parseObject(raw); err != nil {
			return e, invalidConfig(source, errNotConfig)
		}
	}
	return e, nil
}

var pullSecretProfiles = map[Matching]profile{
	MatchDocker:     dockerProfile,
	MatchContainers: containersProfile,
	MatchKubelet:    {kubelet: true},
}

// pullSecret is a secret that was given as it is. It is used by its address,
// which is all that fmt shows where it may not call methods.
type pullSecret struct{ entries entries }

// Format writes the type's name, for every verb.
func (p *pullSecret) Format(s fmt.State, _ rune) { io.WriteString(s, "auth.PullSecret") }

// Credential implements Provider.
func (p *pullSecret) Credential(_ context.Context, r Resource) (Credential, error) {
	return p.entries.credential(r)
}

// Explain implements Explainer.
func (p *pullSecret) Explain(_ context.Context, r Resource) []Finding { return p.entries.explain(r) }

// pullSecretFile is a secret that is read anew each time.
type pullSecretFile struct {
	path     string
	matching Matching
}

// Credential implements Provider.
func (p pullSecretFile) Credential(_ context.Context, r Resource) (Credential, error) {
	e, err := p.read()
	if err != nil {
		return Credential{}, err
	}
	return e.credential(r)
}

// Explain implements Explainer.
func (p pullSecretFile) Explain(_ context.Context, r Resource) []Finding {
	e, err := p.read()
	if err != nil {
		return []Finding{finding(e.source, Credential{}, err)}
	}
	return e.explain(r)
}

func (p pullSecretFile) read() (entries, error) {
	source := Origin{Kind: "pull secret", Location: p.path}
	if err := p.matching.check(); err != nil {
		return entries{source: source}, invalidConfig(source, err)
	}
	data, err := readConfig(p.path)
	if err != nil {
		return entries{source: source}, invalidConfig(source, err)
	}
	return parsePullSecret(data, p.matching, source)
}
