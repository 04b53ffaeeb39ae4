package auth

import (
	"context"
	"os"
)

// dockerAuthVariable is docker's and GitLab's.
const dockerAuthVariable = "DOCKER_AUTH_CONFIG"

// FromDockerAuthConfig reads the variable DOCKER_AUTH_CONFIG, at each look-up:
// the JSON of a config.json, of which only the auths count. It is matched by
// docker's rules. Unlike docker, which ignores the whole variable where an
// entry has anything but an auth, this reads identity tokens and registry
// tokens as well. Helpers that it names are not run. A text that does not parse
// is ErrConfigInvalid, and a bad entry disables only itself; neither is ever
// repeated in an error.
func FromDockerAuthConfig() Provider { return dockerAuth{} }

type dockerAuth struct{}

// Credential implements Provider.
func (d dockerAuth) Credential(_ context.Context, r Resource) (Credential, error) {
	e, err := d.entries()
	if err != nil {
		return Credential{}, err
	}
	return e.credential(r)
}

// Explain implements Explainer.
func (d dockerAuth) Explain(_ context.Context, r Resource) []Finding {
	e, err := d.entries()
	switch {
	case err != nil:
		return []Finding{finding(e.source, Credential{}, err)}
	case os.Getenv(dockerAuthVariable) == "":
		return []Finding{{Origin: e.source, Outcome: OutcomeNone, Reason: "it is not set"}}
	}
	return e.explain(r)
}

func (d dockerAuth) entries() (entries, error) {
	e := entries{profile: dockerProfile, source: Origin{Kind: "environment", Location: dockerAuthVariable}}
	cfg, err := parseConfig([]byte(os.Getenv(dockerAuthVariable)))
	if err != nil {
		return e, invalidConfig(e.source, errNotConfig)
	}
	e.auths = cfg.auths
	return e, nil
}
