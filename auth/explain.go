package auth

import (
	"context"
	"errors"
	"time"
)

// Outcome is what a source has for a resource.
type Outcome string

const (
	// OutcomeAnswers marks the one finding whose credential is used.
	OutcomeAnswers Outcome = "answers"
	// OutcomeShadowed marks a credential that is not used, since a source
	// before it answers.
	OutcomeShadowed Outcome = "shadowed"
	// OutcomeNone marks a source without a credential for the resource.
	OutcomeNone Outcome = "none"
	// OutcomeFailed marks a source that could not be asked, and an entry that
	// cannot be used.
	OutcomeFailed Outcome = "failed"
)

// Finding tells what one source has for a resource. It holds no secret.
type Finding struct {
	Origin   Origin // the source; its Key is what matched, if anything did
	Outcome  Outcome
	Kind     string    // "password", "identity token", "registry token", joined by " and "; "anonymous"; empty without a credential
	Username string    // may be empty
	Expires  time.Time // zero where that is not known
	// Reason says why the source does not answer, in one sentence without a
	// full stop: "there is no such file", "it has an entry for host/other,
	// which is another path". Empty where it does.
	Reason string
	Err    error // of a failed source; may be nil
}

// Explainer is a Provider that consists of several sources, or that can say
// more of itself than whether it has a credential.
type Explainer interface {
	Provider
	// Explain returns a finding for each of its sources, in the order in which
	// they are asked, as if each were the only one: which of those that have a
	// credential answers, and which are shadowed, is for the caller to say.
	// A source may also report entries that it passes by.
	Explain(ctx context.Context, r Resource) []Finding
}

// Explain asks every source of p what it has for r, in the order in which p
// asks, and runs their helpers and plugins for it. The first that has a
// credential answers, and all others that have one are shadowed. A provider
// that is no Explainer gives one finding. A nil p has none. The error is the
// context's.
func Explain(ctx context.Context, p Provider, r Resource) ([]Finding, error) {
	findings := explain(ctx, p, r)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	answered := false
	for i, f := range findings {
		if f.Outcome != OutcomeAnswers {
			continue
		}
		if answered {
			findings[i].Outcome, findings[i].Reason = OutcomeShadowed, "a source before it answers"
		}
		answered = true
	}
	return findings, nil
}

func explain(ctx context.Context, p Provider, r Resource) []Finding {
	if p == nil {
		return nil
	}
	if e, ok := p.(Explainer); ok {
		return e.Explain(ctx, r)
	}
	c, err := p.Credential(ctx, r)
	return []Finding{finding(Origin{Kind: "provider"}, c, err)}
}

// finding puts the answer of the source at origin into a Finding.
func finding(origin Origin, c Credential, err error) Finding {
	switch {
	case err == nil:
		if c.Origin != (Origin{}) {
			origin = c.Origin
		}
		return Finding{Origin: origin, Outcome: OutcomeAnswers, Kind: c.kind(), Username: c.Username, Expires: c.Expires}
	case len(causesOf(err)) == 0:
		return Finding{Origin: origin, Outcome: OutcomeNone, Reason: "it has no credential for this host"}
	}
	causes := causesOf(err)
	reason := joinErrors(causes)
	if e, ok := errors.AsType[*Error](err); ok && e.Origin != (Origin{}) {
		origin = e.Origin
		if len(causes) == 1 && causes[0] == error(e) && e.ownFault() {
			reason = e.told() // the origin is beside it
		}
	}
	return Finding{Origin: origin, Outcome: OutcomeFailed, Reason: reason, Err: err}
}
