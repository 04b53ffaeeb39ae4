package auth

import "context"

// LogoutResult tells what Logout did.
type LogoutResult struct {
	Removed []Origin // what is gone
	// Remaining are the sources that would still answer for the resource or,
	// as their keys tell, for a part of it.
	Remaining []Origin
}

// Logout removes the credential for r from store, under every spelling of its
// host, and asks store and all the sources of the other providers whether they
// would still answer, also those that another one hides: another file, a
// variable, or an entry for the whole host where r has a path. The result is
// there even when the error is that of store.Delete. Sources that fail are
// passed by, as are helpers where running them is switched off. Nil providers
// are left out.
func Logout(ctx context.Context, r Resource, store Store, others ...Provider) (*LogoutResult, error) {
	result := &LogoutResult{}
	var err error
	result.Removed, err = store.Delete(ctx, r)
	all := Chain(append([]Provider{store}, others...)...)
	findings, ended := Explain(ctx, all, r)
	if err == nil {
		err = ended
	}
	for _, f := range findings {
		has := f.Outcome == OutcomeAnswers || f.Outcome == OutcomeShadowed
		if has && f.Kind != (Credential{}).kind() {
			result.Remaining = append(result.Remaining, f.Origin)
		}
	}
	result.Remaining = uniqueOrigins(append(result.Remaining, parts(ctx, all, r)...))
	return result, err
}

func uniqueOrigins(list []Origin) []Origin {
	var kept []Origin
	seen := make(map[Origin]bool)
	for _, o := range list {
		if !seen[o] {
			seen[o] = true
			kept = append(kept, o)
		}
	}
	return kept
}
