package auth

import (
	"cmp"
	"context"
	"os"
)

// githubHost is where a job's token is good, and the only host that gets it.
const githubHost = "ghcr.io"

// FromGitHubToken has the token of the environment variable GITHUB_TOKEN for
// ghcr.io and for no other host, with the user name of GITHUB_ACTOR, which
// GitHub does not look at. The variables are read at each look-up. The error is
// ErrNoCredential, or ErrConfigInvalid for a user name that cannot be sent.
//
// It is no default source: a job's token that may not read packages makes
// ghcr.io refuse public ones too.
func FromGitHubToken() Provider { return githubToken{} }

type githubToken struct{}

// Credential implements Provider.
func (githubToken) Credential(_ context.Context, r Resource) (Credential, error) {
	token := os.Getenv("GITHUB_TOKEN")
	if r.Host != githubHost || token == "" {
		return Credential{}, ErrNoCredential
	}
	c := Credential{
		Username: cmp.Or(os.Getenv("GITHUB_ACTOR"), "token"), Password: NewSecret(token),
		Origin: Origin{Kind: "environment", Location: "GITHUB_TOKEN", Key: githubHost},
	}
	if err := c.check(); err != nil {
		return Credential{}, invalidVariable(c.Origin, "it is no credential", err)
	}
	return c, nil
}

// Explain implements Explainer.
func (g githubToken) Explain(ctx context.Context, r Resource) []Finding {
	c, err := g.Credential(ctx, r)
	f := finding(Origin{Kind: "environment", Location: "GITHUB_TOKEN"}, c, err)
	switch {
	case f.Outcome != OutcomeNone:
	case r.Host != githubHost:
		f.Reason = "it is for " + githubHost
	default:
		f.Reason = "it is not set"
	}
	return []Finding{f}
}
