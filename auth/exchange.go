package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// maxSends bounds one operation: unsigned, signed, and signed anew where the
// first token or credential was rejected.
const maxSends = 3

// exchange is one call of Signer.Do.
type exchange struct {
	s        *Signer
	req      *http.Request
	hint     Hint
	send     func(*http.Request) (*http.Response, error)
	at       origin
	resource Resource
	where    atomic.Int32 // what the first connection showed: one of unknown, internal, public
	sends    int
	found    *lookup // the last one, for the verdict

	began      time.Time
	anonymous  bool      // no credential is looked for
	renewed    bool      // the provider was asked past what a token server rejected
	challenged []Scope   // by this exchange's own challenges, the newest first
	outdated   *outdated // the remembered scheme, if it does not serve any more
}

// outdated is a scheme whose token server does not work, and how it failed.
type outdated struct {
	scheme *scheme
	err    error
}

const (
	connUnknown int32 = iota
	connInternal
	connPublic
)

// signature is the proof that goes with one request.
type signature struct {
	scheme *scheme
	found  *lookup
	scopes []Scope // what was asked for; the token may be for less
	token  *token  // nil for basic and for ready tokens
	fresh  bool    // the token was fetched for this exchange
	header string
}

func (s *Signer) newExchange(req *http.Request, hint Hint, send func(*http.Request) (*http.Response, error)) *exchange {
	x := &exchange{s: s, req: req, hint: hint, send: send, at: originOf(req.URL), resource: hint.Resource, began: s.now()}
	// A credential goes to the host that it is for, whatever the hint says.
	if x.at != newOrigin(x.at.scheme, hint.Resource.APIHost()) && x.at != newOrigin(x.at.scheme, hint.Resource.Host) {
		x.resource = Resource{Host: x.at.host}
	}
	x.hint.Scopes = mergeScopes(hint.Scopes)
	return x
}

func (x *exchange) scopeless() bool { return len(x.hint.Scopes) == 0 }

// presign signs the first request where the registry's scheme is known.
func (x *exchange) presign(ctx context.Context) (*signature, error) {
	known := x.s.schemes.find(x.at, x.resource.Path, x.scopeless())
	if known == nil && x.hint.Preemptive && x.s.mayCarrySecrets(x.at) {
		known = &scheme{basic: true}
	}
	if known == nil {
		return nil, nil
	}
	if known.internal {
		x.where.Store(connInternal)
	}
	found, err := x.lookup(ctx)
	if err != nil {
		return nil, err
	}
	scopes := x.hint.Scopes
	if x.scopeless() {
		scopes = known.scopes
	} else if general := known.general(); len(general) > 0 {
		scopes = mergeScopes(scopes, general)
	}
	sig, err := x.sign(ctx, known, found, scopes)
	if err != nil && ctx.Err() == nil && x.replayable() && servesNoMore(err) {
		// The registry may name another token server by now.
		x.outdated = &outdated{known, err}
		return nil, nil
	}
	return sig, err
}

// servesNoMore tells a token server that does not work from one that refuses,
// or that is busy.
func servesNoMore(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Stage == StageToken && !e.refuses() &&
		e.StatusCode != http.StatusTooManyRequests && e.StatusCode < 500
}

func (x *exchange) lookup(ctx context.Context) (*lookup, error) {
	if x.anonymous {
		return &lookup{}, nil
	}
	return x.s.lookup(ctx, x.resource)
}

func (x *exchange) lookupAgain(ctx context.Context, rejected *lookup) (*lookup, error) {
	if x.anonymous {
		return &lookup{}, nil
	}
	return x.s.lookupAgain(ctx, x.resource, rejected)
}

// sign makes the proof, and nil where there is nothing to prove with.
func (x *exchange) sign(ctx context.Context, how *scheme, found *lookup, scopes []Scope) (*signature, error) {
	x.found = found
	c := found.credential
	sig := &signature{scheme: how, found: found, scopes: scopes}
	bearer := !how.basic
	if !bearer && !c.hasPassword() || bearer && how.realm == "" && c.RegistryToken.IsZero() {
		return nil, nil
	}
	if !c.IsZero() && !x.s.mayCarrySecrets(x.at) {
		return nil, x.plaintextError(c, x.at.host)
	}
	switch {
	case !bearer:
		sig.header = "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password.Reveal()))
	case !c.RegistryToken.IsZero():
		sig.header = "Bearer " + c.RegistryToken.Reveal()
	default:
		t, fresh, err := x.token(ctx, how, found, scopes)
		if err != nil {
			return x.signAfterRefusal(ctx, sig, err)
		}
		sig.token, sig.fresh, sig.header = t, fresh, "Bearer "+t.text.Reveal()
	}
	return sig, nil
}

func (s *Signer) mayCarrySecrets(at origin) bool {
	return at.scheme == "https" || at.isLoopback() || s.opts.AllowPlaintext != nil && s.opts.AllowPlaintext(at.host)
}

// sendOnce sends a clone of the request. The first connection that it uses is
// the one to the registry; later ones may be a redirect's.
func (x *exchange) sendOnce(sig *signature) (*http.Response, error) {
	ctx := httptrace.WithClientTrace(x.req.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if x.where.Load() != connUnknown {
				return
			}
			where := connPublic
			if isInternal(info.Conn) && !x.s.proxied(x.req) {
				where = connInternal
			}
			x.where.CompareAndSwap(connUnknown, where)
		},
	})
	r := x.req.Clone(ctx)
	r.Header.Del("Authorization")
	if sig != nil {
		r.Header.Set("Authorization", sig.header)
	}
	if x.sends > 0 && x.req.GetBody != nil {
		body, err := x.req.GetBody()
		if err != nil {
			return nil, err
		}
		r.Body = body
	}
	x.sends++
	resp, err := x.send(r)
	if err == nil && resp.Body == nil {
		resp.Body = http.NoBody
	}
	return resp, err
}

func (x *exchange) replayable() bool {
	return x.req.Body == nil || x.req.Body == http.NoBody || x.req.GetBody != nil
}
