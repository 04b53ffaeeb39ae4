package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker-credential-helpers/credentials"
)

// Helper is what the libraries behind docker's credential helpers have in
// common: credentials.Helper of github.com/docker/docker-credential-helpers
// fits, of whatever version. Get answers for a key of docker's: a host, or
// https://index.docker.io/v1/ for Docker Hub. The user name <token> marks an
// identity token. An error with the text "credentials not found in native
// keychain" means that there is none.
type Helper interface {
	Get(serverURL string) (username, secret string, err error)
}

// FromHelper turns a helper library, such as that of amazon-ecr-credential-helper,
// into a Provider, without a program to be run. It asks for hosts, never for
// paths, and makes one call at a time: such libraries are written for programs
// that make one. A call takes no context, so it may still run when Credential
// has given up, which it does when its context ends or after 30 s; until such
// a call has returned the next ones wait for it. Errors match ErrNoCredential
// or ErrHelper, or are the context's; of a library's own error a line of 256
// bytes is kept. Answers have no Expires. The provider implements Explainer; a
// nil h has no credential for anything.
func FromHelper(h Helper) Provider {
	return &helperLibrary{helper: h, timeout: helperDefaultTimeout, turn: make(chan struct{}, 1)}
}

type helperLibrary struct {
	helper  Helper
	timeout time.Duration
	turn    chan struct{} // holds one value while a call runs
}

// Format writes the library's type, for every verb.
func (l *helperLibrary) Format(f fmt.State, _ rune) { io.WriteString(f, l.origin("").String()) }

func (l *helperLibrary) origin(key string) Origin {
	return Origin{Kind: "docker credential helper library", Location: fmt.Sprintf("%T", l.helper), Key: key}
}

// Credential implements Provider.
func (l *helperLibrary) Credential(ctx context.Context, r Resource) (Credential, error) {
	if l.helper == nil {
		return Credential{}, ErrNoCredential
	}
	origin := l.origin(canonicalKey(Resource{Host: r.Host}))
	limited, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	if limited.Err() != nil {
		return Credential{}, context.Cause(ctx)
	}
	select {
	case l.turn <- struct{}{}:
	case <-limited.Done():
		return Credential{}, l.gaveUp(ctx, origin, "an earlier call of it does not return")
	}
	type reply struct {
		username, secret string
		err              error
	}
	answered := make(chan reply, 1)
	go func() {
		defer func() { <-l.turn }()
		username, secret, err := l.helper.Get(origin.Key)
		answered <- reply{username, secret, err}
	}()
	select {
	case a := <-answered:
		if a.err != nil {
			return Credential{}, helperLibraryError(origin, a.err)
		}
		return helperCredential(a.username, a.secret, origin)
	case <-limited.Done():
		return Credential{}, l.gaveUp(ctx, origin, fmt.Sprintf("no answer within %s", l.timeout))
	}
}

// Explain implements Explainer.
func (l *helperLibrary) Explain(ctx context.Context, r Resource) []Finding {
	c, err := l.Credential(ctx, r)
	return []Finding{finding(l.origin(""), c, err)}
}

func (l *helperLibrary) gaveUp(ctx context.Context, origin Origin, what string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return helperError(origin, what, nil)
}

// helperLibraryError tells "not found" by its text: the library may be built on
// another version of the module that defines it.
func helperLibraryError(origin Origin, err error) error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if credentials.IsErrCredentialsNotFoundMessage(e.Error()) {
			return ErrNoCredential
		}
	}
	return helperError(origin, "it failed", errors.New(firstLine([]byte(err.Error()))))
}
