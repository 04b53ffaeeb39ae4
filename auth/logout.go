package auth

import "context"

// LogoutResult tells what Logout did.
type LogoutResult struct {
	Removed   []Origin // what is gone
	Remaining []Origin // sources that would still answer for the resource
}

// Logout removes the credential for r from store, under every spelling of its
// host, and asks store and the other providers whether they would still
// answer: another file, or an entry for the whole host where r has a path.
// The result is there even when the error is that of store.Delete. Others that
// fail are passed by.
func Logout(ctx context.Context, r Resource, store Store, others ...Provider) (*LogoutResult, error) {
	result := &LogoutResult{}
	var err error
	result.Removed, err = store.Delete(ctx, r)
	for _, p := range append([]Provider{store}, others...) {
		if p == nil {
			continue
		}
		c, perr := p.Credential(ctx, r)
		if perr == nil && !c.IsZero() {
			result.Remaining = append(result.Remaining, c.Origin)
		}
	}
	result.Remaining = uniqueOrigins(result.Remaining)
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
