package auth

import (
	"errors"
	"net/http"
)

// mayRetryAnonymous tells whether a failed exchange can be repeated without a
// credential: one was used, it was refused, and the request asks for nothing
// that could do harm.
func (x *exchange) mayRetryAnonymous(err error) bool {
	var e *Error
	if !errors.As(err, &e) || !e.refuses() {
		return false
	}
	// A redirect's target has not seen the credential, and shows no origin.
	used := x.found != nil && !x.found.credential.IsZero() && e.Origin != (Origin{})
	if !used || !isRead(x.req) || x.req.Body != nil && x.req.Body != http.NoBody || x.req.Context().Err() != nil {
		return false
	}
	for _, s := range x.hint.Scopes {
		if s.actions != "pull" {
			return false
		}
	}
	return !x.scopeless()
}

// retryAnonymous repeats the exchange without a credential. Only success
// counts: a 404 without the credential says less than the 403 with it.
// Nothing is remembered of it but an anonymous token, so the next request is
// made with the credential again, which may be a better one by then.
func (x *exchange) retryAnonymous(refusal error) (*http.Response, error) {
	var e *Error
	errors.As(refusal, &e)
	ctx := x.req.Context()
	x.s.log.WarnContext(ctx, "a credential is refused, and the pull is tried without one",
		"resource", x.resource.String(), "credential", e.Origin.String(), "stage", string(e.Stage), "status", e.StatusCode, "codes", e.Codes)
	again := x.s.newExchange(x.req, x.hint, x.send)
	again.anonymous = true
	resp, err := again.run()
	switch {
	case err == nil && resp.StatusCode < 400:
		return resp, nil
	case ctx.Err() != nil:
	case err == nil:
		resp.Body.Close()
		e.Message += ", and without it the answer is " + statusText(resp.StatusCode)
	default:
		e.Message += ", and without it the request fails as well"
	}
	return nil, refusal
}
