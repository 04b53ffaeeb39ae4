package auth

import (
	"context"
	"errors"
	"net/http"
	"slices"
)

// signAfterRefusal goes on where a token server has refused: with what the
// provider has now, if the refused credential had been kept for a while, and
// with the scopes that this request needs and no more. A token server has to
// grant what it can of several scopes; some refuse them all (cue's registry
// client knows such).
func (x *exchange) signAfterRefusal(ctx context.Context, sig *signature, refusal error) (*signature, error) {
	var e *Error
	if !errors.As(refusal, &e) || !e.refuses() || ctx.Err() != nil {
		return nil, refusal
	}
	if !x.anonymous && !x.renewed && !sig.found.asked.After(x.began) {
		x.renewed = true
		found, err := x.lookupAgain(ctx, sig.found)
		if err != nil {
			return nil, err
		}
		if found.who != sig.found.who {
			return x.sign(ctx, sig.scheme, found, sig.scopes)
		}
	}
	required := x.required(sig.scheme)
	less := len(required) > 0 && containsAll(sig.scopes, required) && !containsAll(required, sig.scopes)
	if !less || slices.Contains(e.Codes, "invalid_grant") { // which no scopes mend
		return nil, refusal
	}
	t, fresh, err := x.token(ctx, sig.scheme, sig.found, required)
	if err != nil {
		return nil, refusal
	}
	sig.token, sig.fresh, sig.header = t, fresh, "Bearer "+t.text.Reveal()
	return sig, nil
}

// refuses tells whether e is the verdict on an identity. Its causes, which may
// be a helper's, do not count.
func (e *Error) refuses() bool { return e.Err == ErrUnauthorized || e.Err == ErrDenied }

// required are the scopes without which this one request cannot be answered:
// those of its challenge, else those of its own repository.
func (x *exchange) required(how *scheme) []Scope {
	if len(x.challenged) > 0 {
		return x.challenged
	}
	var own []Scope
	pull := RepositoryScope(x.resource.Path, "pull")
	for _, s := range x.hint.Scopes {
		switch {
		case s.prefix != pull.prefix:
		case isRead(x.req) && s.Contains(pull):
			own = append(own, pull)
		default:
			own = append(own, s)
		}
	}
	if len(own) == 0 {
		return nil
	}
	return mergeScopes(own, how.general())
}

func isRead(req *http.Request) bool {
	return req.Method == http.MethodGet || req.Method == http.MethodHead
}
