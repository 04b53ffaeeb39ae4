package device

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/portolan-oci/portolan/auth"
)

const (
	// DefaultMaxWait is how long people have to confirm where Flow.MaxWait is
	// zero. Providers say 5 to 15 minutes.
	DefaultMaxWait = 15 * time.Minute
	// maxMaxWait keeps a mistake in a unit from waiting for days.
	maxMaxWait = time.Hour
)

// Endpoint is where a provider answers: two https URLs without user
// information or fragment. Plain http is for a loopback address (localhost,
// 127.0.0.0/8, ::1) alone.
type Endpoint struct {
	DeviceURL string // RFC 8628, section 3.1: gives the codes
	TokenURL  string // RFC 6749, section 3.2: gives the token once somebody has confirmed
}

// Flow is a device login at one provider. Endpoint and ClientID are required.
// A Flow is safe for concurrent use as long as nobody changes it.
type Flow struct {
	Endpoint Endpoint
	// ClientID is the program's name at the provider.
	ClientID string
	// ClientSecret is for the few providers that want one of a program that
	// cannot keep it; it goes to TokenURL alone. Zero: none.
	ClientSecret auth.Secret
	// Scopes are what the token shall be good for, in the provider's words;
	// many give a refresh token only for offline_access. May be empty.
	Scopes []string
	// Audience is sent as the parameter audience, by which some providers
	// choose the service that a token is for. Empty: not sent.
	Audience string
	// Parameters are sent with both requests beside those of the protocol, of
	// which none may be among them. They are no place for secrets.
	Parameters map[string]string
	// HTTPClient gives the transport, the cookie jar and the timeout of
	// requests. It follows no redirect here, whatever its CheckRedirect says: a
	// request has the code, or the secret, in its body. nil: the system's
	// roots and the environment's proxy.
	HTTPClient *http.Client
	// MaxWait bounds the time from the first request to the token; what the
	// provider says of its codes counts where it is shorter. Zero:
	// DefaultMaxWait. More than an hour, or less than zero, is an error.
	MaxWait time.Duration
}

// Token gets a code, has p show it, and asks for the token until somebody has
// confirmed or refused. It asks as often as the provider says, every 1 to 60
// seconds (5 where it says nothing), and less often when it is told to slow
// down, or while the provider cannot be reached; it gives up when that fails 5
// times in a row.
//
// Errors are an *Error: it matches auth.ErrDenied where somebody refused,
// ErrExpired where nobody confirmed in time, and auth.ErrUnauthorized where the
// provider does not know this client. They are p's own where p fails, and the
// context's. None repeats what the provider has written, but for its code.
func (f *Flow) Token(ctx context.Context, p Prompter) (*Token, error) {
	if err := f.check(p); err != nil {
		return nil, err
	}
	wait := cmp.Or(f.MaxWait, DefaultMaxWait)
	client, done := f.client()
	defer done()
	config := f.config()
	da, err := config.DeviceAuth(f.through(ctx, client, &codes{maxWait: wait}), f.parameters()...)
	if err != nil {
		return nil, f.failure(ctx, f.Endpoint.DeviceURL, err)
	}
	limited, cancel := context.WithDeadline(ctx, da.Expiry)
	defer cancel()
	err = p.Prompt(limited, Prompt{URI: da.VerificationURI, CompleteURI: da.VerificationURIComplete, UserCode: da.UserCode, Expires: da.Expiry})
	switch {
	case err != nil && limited.Err() != nil && ctx.Err() == nil:
		return nil, expired(f.Endpoint.DeviceURL)
	case err != nil:
		return nil, err
	}
	t, err := config.DeviceAccessToken(f.through(limited, client, &polls{}), da, f.parameters()...)
	if err != nil {
		return nil, f.failure(ctx, f.Endpoint.TokenURL, err)
	}
	return newToken(t, f.Endpoint.TokenURL)
}

// Credential is Token, followed by x. An error of x comes back as it is. It
// logs nobody in: give the credential to auth.Login.
func (f *Flow) Credential(ctx context.Context, p Prompter, x Exchanger) (auth.Credential, error) {
	if x == nil {
		return auth.Credential{}, errors.New("device login: no exchanger")
	}
	t, err := f.Token(ctx, p)
	if err != nil {
		return auth.Credential{}, err
	}
	return x(ctx, t)
}

// reserved are the parameters of RFC 6749 and RFC 8628.
var reserved = []string{"client_id", "client_secret", "scope", "grant_type", "device_code"}

func (f *Flow) check(p Prompter) error {
	for name, raw := range map[string]string{"device": f.Endpoint.DeviceURL, "token": f.Endpoint.TokenURL} {
		if _, err := parseEndpoint(raw); err != nil {
			return fmt.Errorf("device login: %s endpoint: %w", name, err)
		}
	}
	switch {
	case f.ClientID == "":
		return errors.New("device login: no client ID")
	case p == nil:
		return errors.New("device login: no prompter")
	case f.MaxWait < 0 || f.MaxWait > maxMaxWait:
		return fmt.Errorf("device login: a wait of %s is not between nothing and %s", f.MaxWait, maxMaxWait)
	}
	for name := range f.Parameters {
		if slices.Contains(reserved, name) || name == "audience" && f.Audience != "" {
			return fmt.Errorf("device login: parameter %s is the protocol's own", name)
		}
	}
	return nil
}

func (f *Flow) config() *oauth2.Config {
	return &oauth2.Config{
		ClientID:     f.ClientID,
		ClientSecret: f.ClientSecret.Reveal(),
		Scopes:       f.Scopes,
		Endpoint: oauth2.Endpoint{
			DeviceAuthURL: f.Endpoint.DeviceURL,
			TokenURL:      f.Endpoint.TokenURL,
			// Not found out by trying both, which would ask twice each time.
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

func (f *Flow) parameters() []oauth2.AuthCodeOption {
	var list []oauth2.AuthCodeOption
	for name, value := range f.Parameters {
		list = append(list, oauth2.SetAuthURLParam(name, value))
	}
	if f.Audience != "" {
		list = append(list, oauth2.SetAuthURLParam("audience", f.Audience))
	}
	return list
}
