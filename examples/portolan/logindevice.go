package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/pflag"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/auth/device"
	"github.com/portolan-oci/portolan/registry"
)

// deviceFlags say at which identity provider somebody confirms.
type deviceFlags struct {
	on                 bool
	endpoint           device.Endpoint
	clientID, audience string
	scopes             []string
}

func (f *deviceFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.on, "device", false, "log in at an identity provider, with a code for a browser")
	flags.StringVar(&f.endpoint.DeviceURL, "device-endpoint", "", "the provider's device authorization endpoint, an https `URL`")
	flags.StringVar(&f.endpoint.TokenURL, "token-endpoint", "", "the provider's token endpoint, an https `URL`")
	flags.StringVar(&f.clientID, "client-id", "", "the `ID` of a client of the provider")
	flags.StringVar(&f.audience, "audience", "", "the `service` that the provider's token is for, where it wants to know")
	flags.StringArrayVar(&f.scopes, "scope", nil, "a `scope` to ask the provider for; may be given several times")
}

// check tells whether a device login is asked for.
func (f *deviceFlags) check() (given bool, err error) {
	complete := f.endpoint.DeviceURL != "" && f.endpoint.TokenURL != "" && f.clientID != ""
	some := f.endpoint != (device.Endpoint{}) || f.clientID != "" || f.audience != "" || len(f.scopes) > 0
	switch {
	case f.on && !complete:
		return true, usagef("login --device needs --device-endpoint, --token-endpoint and --client-id")
	case !f.on && some:
		return false, usagef("login: the flags for an identity provider go with --device")
	}
	return f.on, nil
}

func (a *app) deviceCredential(ctx context.Context, flags loginFlags) (auth.Credential, error) {
	f := &device.Flow{
		Endpoint: flags.device.endpoint, ClientID: flags.device.clientID,
		Scopes: flags.device.scopes, Audience: flags.device.audience,
	}
	exchange := device.Exchanger(device.AsIdentityToken)
	if flags.user != "" {
		exchange = device.AsPassword(flags.user)
	}
	c, err := f.Credential(ctx, device.PrompterFunc(a.promptDevice), exchange)
	e, ok := errors.AsType[*device.Error](err)
	switch {
	case err == nil || ctx.Err() != nil:
		return c, err
	case !ok: // nobody was asked
		return c, usageError{err}
	}
	_, network := errors.AsType[*url.Error](err)
	if network || e.StatusCode >= 500 || e.StatusCode == http.StatusTooManyRequests {
		return c, unavailableError{err}
	}
	return c, err
}

// promptDevice tells on standard error what to do: it is no result.
func (a *app) promptDevice(_ context.Context, p device.Prompt) error {
	a.note("open %s and enter the code %s, within %s", p.URI, p.UserCode, time.Until(p.Expires).Round(time.Second))
	if p.CompleteURI != "" {
		a.note("or open %s and compare the code", p.CompleteURI)
	}
	return nil
}

// unavailableError is about a provider that does not answer.
type unavailableError struct{ error }

func (e unavailableError) Unwrap() error        { return e.error }
func (e unavailableError) Is(target error) bool { return target == registry.ErrUnavailable }
