package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Explain implements Explainer. Entries and helpers that cannot be used have
// findings of their own, before that of the file.
func (f *FileStore) Explain(ctx context.Context, r Resource) []Finding {
	here := f.origin("")
	cfg, err := f.read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Finding{{Origin: here, Outcome: OutcomeNone, Reason: "there is no such file"}}
	case err != nil:
		return []Finding{finding(here, Credential{}, err)}
	}
	c, causes, err := f.find(ctx, cfg, r)
	if err != nil {
		return []Finding{finding(here, Credential{}, err)}
	}
	findings := failedFindings(here, causes)
	switch {
	case !c.IsZero():
		return append(findings, finding(here, c, nil))
	case len(findings) > 0:
		return findings
	}
	return []Finding{f.none(cfg, r)}
}

// none tells why nobody has failed and nobody answers.
func (f *FileStore) none(cfg *config, r Resource) Finding {
	suffix, err := cfg.helper(hostKeys(r))
	if err != nil || suffix == "" {
		return Finding{Origin: f.origin(""), Outcome: OutcomeNone, Reason: f.entries(cfg).whyNot(r)}
	}
	reason := "it has no credential for this host"
	var causes []error
	if c := f.entries(cfg).host(r, &causes); !c.IsZero() {
		reason += fmt.Sprintf("; the entry for %s in %s does not count beside a helper", c.Origin.Key, f.path)
	}
	return Finding{Origin: helperOrigin(suffix, f.profile.key(Resource{Host: r.Host})), Outcome: OutcomeNone, Reason: reason}
}
