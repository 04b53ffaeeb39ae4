// Package auth answers two questions: who am I at this registry, and how do I
// prove it.
//
// A [Provider] finds the [Credential] for a [Resource], which is a registry
// host or a part of one. Credentials are bound to the host they were stored
// for, remember where they came from, and keep their secrets in the [Secret]
// type, which prints as REDACTED. [Chain] asks several providers in order;
// [NewDefault] reads the environment, the files that docker login, helm
// registry login and podman login write, and the credential helpers that those
// files name; [Explain] tells what each of them has.
//
// A [Signer] proves it: [Signer.Do] sends a request, answers the registry's
// challenge with basic credentials or with a token from the token server that
// the challenge names, and keeps tokens for as long as they live. It never
// sends a credential to another origin than the one it is for, and it holds
// token servers to rules that keep a registry from reaching into the client's
// network.
//
// [Login] checks a credential and puts it into a [Store]; [Logout] removes it
// and tells which sources would still answer.
//
// The protocol is that of the distribution project (token authentication,
// OAuth 2 refresh tokens, scopes) and of RFC 9110, section 11. The package
// knows hosts, scopes and requests; it does not know what is in a registry.
package auth
