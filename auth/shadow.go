package auth

import "context"

// warnOfShadows tells what the program will use instead of what was just
// stored.
func (l *login) warnOfShadows(ctx context.Context, c Credential) {
	r, stored := l.result.Resource, l.result.Origin
	if l.opts.Sources == nil {
		return
	}
	findings, err := Explain(ctx, l.opts.Sources, r)
	if err != nil {
		return // the credential is stored, whatever ends now
	}
	answered := false
	for _, f := range findings {
		if f.Outcome != OutcomeAnswers {
			continue
		}
		answered = true
		if f.Origin != stored && !l.provesTheSame(ctx, c) {
			l.warn("%s answers for %s before %s does: take it away there, or change the order of the sources", f.Origin, r, stored)
		}
	}
	if !answered {
		l.warn("nothing that is asked for credentials reads %s: add it to the sources", stored)
	}
	for _, part := range parts(ctx, l.opts.Sources, r) {
		l.warn("%s has a credential of its own, which goes before this one there", part)
	}
}

// provesTheSame tells whether the sources answer with c by another name: one
// file under two paths, or the same secret in two places.
func (l *login) provesTheSame(ctx context.Context, c Credential) bool {
	got, err := l.opts.Sources.Credential(ctx, l.result.Resource)
	return err == nil && holdsSame(got, c)
}
