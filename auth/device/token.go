package device

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/portolan-oci/portolan/auth"
)

// Token is what a provider gave. It prints without its secrets.
type Token struct {
	AccessToken  auth.Secret
	RefreshToken auth.Secret // zero: the provider gave none
	IDToken      auth.Secret // of OpenID Connect; unverified; zero: none
	Type         string      // "Bearer"; may be empty
	Expires      time.Time   // of the access token; zero: not known
}

// Exchanger makes of a provider's token the credential that a registry takes,
// as with a vendor's service that gives an identity token for it. It is called
// once for each login.
type Exchanger func(ctx context.Context, t *Token) (auth.Credential, error)

// AsPassword gives the access token as the password of username, for a
// registry that takes such tokens there: a password that ends with the token.
func AsPassword(username string) Exchanger {
	return func(_ context.Context, t *Token) (auth.Credential, error) {
		if username == "" {
			return auth.Credential{}, errors.New("device login: a token as a password needs a user name")
		}
		return auth.Credential{Username: username, Password: t.AccessToken, Expires: t.Expires}, nil
	}
}

// AsIdentityToken gives the token for which the registry's token server will
// hand out its own: the refresh token where there is one, else the access
// token. It is an Exchanger.
func AsIdentityToken(_ context.Context, t *Token) (auth.Credential, error) {
	if !t.RefreshToken.IsZero() {
		return auth.Credential{IdentityToken: t.RefreshToken}, nil
	}
	return auth.Credential{IdentityToken: t.AccessToken, Expires: t.Expires}, nil
}

// newToken takes over what can be sent as a token: an answer within maxAnswer
// bounds its length.
func newToken(t *oauth2.Token, server string) (*Token, error) {
	id, _ := t.Extra("id_token").(string)
	for _, text := range []string{t.AccessToken, t.RefreshToken, id} {
		if !isVisible(text) {
			return nil, newError(server, "its token has characters that no token has")
		}
	}
	got := &Token{
		AccessToken:  auth.NewSecret(t.AccessToken),
		RefreshToken: auth.NewSecret(t.RefreshToken),
		IDToken:      auth.NewSecret(id),
		Expires:      t.Expiry,
	}
	if strings.EqualFold(t.TokenType, "bearer") {
		got.Type = "Bearer"
	}
	return got, nil
}
