// Package device logs people in at an identity provider that wants more than a
// password from them: a second factor, a hardware key, a session in a browser.
// The program shows an address and a short code, the person confirms on
// whatever device they like, and the program gets a token (the OAuth 2 device
// authorization grant, RFC 8628).
//
// No registry takes part in that grant itself. [Flow.Credential] gets a
// provider's token and hands it to an [Exchanger], which makes the credential
// of it that the registry takes: the token as a password, as an identity token,
// or what the vendor's own service gives for it. auth.Login then checks and
// stores that credential as any other.
package device
