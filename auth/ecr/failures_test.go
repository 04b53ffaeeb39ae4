package ecr

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// always refuses what call begins with.
func always(prefix string, r *refusal) func(string) *refusal {
	return func(call string) *refusal {
		if strings.HasPrefix(call, prefix) {
			return r
		}
		return nil
	}
}

// AWS's codes are kept, say who can do what about them, and are all that is
// shown of what AWS says.
func TestCodes(t *testing.T) {
	const leak = "canary: the Canonical String should have been x-amz-security-token:canary"
	for name, tc := range map[string]struct {
		refused *refusal
		code    string
		is      error
		hint    string
	}{
		"not allowed":          {jsonError("AccessDeniedException", leak), "AccessDeniedException", auth.ErrDenied, "allow the identity ecr:GetAuthorizationToken"},
		"ended":                {jsonError("ExpiredTokenException", leak), "ExpiredTokenException", auth.ErrUnauthorized, "the session has ended"},
		"unknown":              {jsonError("UnrecognizedClientException", leak), "UnrecognizedClientException", auth.ErrUnauthorized, "does not know the access key"},
		"signature":            {jsonError("InvalidSignatureException", leak), "InvalidSignatureException", auth.ErrUnauthorized, "the secret access key does not belong"},
		"region":               {jsonError("OptInRequired", leak), "OptInRequired", auth.ErrDenied, "not enabled this region"},
		"with a namespace":     {jsonError("com.amazonaws.ecr#AccessDeniedException", leak), "AccessDeniedException", auth.ErrDenied, ""},
		"in a header":          {&refusal{status: 400, header: map[string]string{"X-Amzn-ErrorType": "ValidationException:http://internal.amazon.com/canary#x/"}}, "ValidationException", nil, ""},
		"of another shape":     {&refusal{status: 400, body: `{"__type":"canary canary"}`}, "", nil, ""},
		"a page":               {&refusal{status: 403, body: "<html>" + leak}, "", auth.ErrDenied, "allow the identity"},
		"nothing":              {&refusal{status: 404}, "", nil, ""},
		"moved":                {&refusal{status: 307, header: map[string]string{"Location": "https://evil.example/canary"}}, "", nil, "it redirects, which AWS does not do"},
		"moved, as a GET":      {&refusal{status: 302, header: map[string]string{"Location": "/canary"}}, "", nil, "it redirects"},
		"a very long failure":  {&refusal{status: 400, body: strings.Repeat(leak, 1<<10)}, "", nil, ""},
		"created":              {&refusal{status: 201, body: `{}`}, "", nil, ""},
		"no code, but refused": {&refusal{status: 401, body: `{}`}, "", auth.ErrDenied, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.useKeys()
			w.refuse = always(getToken, tc.refused)
			_, err := w.ask(w.provider(nil), privateHost)
			e, ok := errors.AsType[*auth.Error](err)
			if !ok {
				t.Fatalf("error %v", err)
			}
			var codes []string
			if tc.code != "" {
				codes = []string{tc.code}
			}
			if !slices.Equal(e.Codes, codes) || e.StatusCode != tc.refused.status || e.Resource.Host != privateHost || e.Err != tc.is || !strings.Contains(e.Hint, tc.hint) {
				t.Errorf("%#v, want code %q, %v, %q", e, tc.code, tc.is, tc.hint)
			}
			w.wantCalls(getToken) // once
		})
	}
}

// Of STS too, which speaks XML.
func TestCodesOfSTS(t *testing.T) {
	assume := "POST " + regionalSTS
	for name, tc := range map[string]struct {
		refused *refusal
		code    string
		is      error
	}{
		"trust policy": {xmlError(403, "AccessDenied", "canary"), "AccessDenied", auth.ErrDenied},
		"ended":        {xmlError(400, "ExpiredTokenException", "canary"), "ExpiredTokenException", auth.ErrUnauthorized},
		"audience":     {xmlError(400, "InvalidIdentityToken", "canary"), "InvalidIdentityToken", auth.ErrUnauthorized},
	} {
		w := newWorld(t)
		w.useWebIdentity()
		w.refuse = always(assume, tc.refused)
		_, err := w.ask(w.provider(nil), privateHost)
		e, ok := errors.AsType[*auth.Error](err)
		if !ok || !slices.Equal(e.Codes, []string{tc.code}) || !errors.Is(err, tc.is) || !strings.Contains(e.Message, "role "+roleARN) {
			t.Errorf("%s: %v", name, err)
		}
		w.wantCalls(assume + " AssumeRoleWithWebIdentity")
	}
}

// The fake verifies signatures: another secret, and another session, are
// refused, with a message that has the session token in it.
func TestSignatureIsChecked(t *testing.T) {
	w := newWorld(t)
	k := w.roleKeys()
	w.env["AWS_ACCESS_KEY_ID"], w.env["AWS_SECRET_ACCESS_KEY"], w.env["AWS_SESSION_TOKEN"] = k.AccessKeyID, k.SecretAccessKey+"x", k.SessionToken
	p := w.provider(nil)
	for _, step := range []struct{ name, value, code string }{
		{"AWS_SECRET_ACCESS_KEY", k.SecretAccessKey + "x", "InvalidSignatureException"},
		{"AWS_SESSION_TOKEN", "canary", "UnrecognizedClientException"},
		{"AWS_ACCESS_KEY_ID", "AKIAUNKNOWN", "UnrecognizedClientException"},
	} {
		w.env["AWS_SECRET_ACCESS_KEY"], w.env["AWS_SESSION_TOKEN"] = k.SecretAccessKey, k.SessionToken
		w.env[step.name] = step.value
		_, err := w.ask(p, privateHost)
		if e, ok := errors.AsType[*auth.Error](err); !ok || !slices.Equal(e.Codes, []string{step.code}) || !errors.Is(err, auth.ErrUnauthorized) {
			t.Errorf("%s: %v, want %s", step.name, err, step.code)
		}
	}
}

// A wrong clock is named as what it is, with how far it is off.
func TestClockSkew(t *testing.T) {
	for skew, want := range map[time.Duration]string{
		7 * time.Minute:   "this machine's clock is 7m0s behind AWS's: set it right",
		-90 * time.Minute: "this machine's clock is 1h30m0s ahead of AWS's: set it right",
	} {
		w := newWorld(t)
		w.useKeys()
		w.skew = skew
		_, err := w.ask(w.provider(nil), privateHost)
		if e, ok := errors.AsType[*auth.Error](err); !ok || e.Hint != want || !slices.Equal(e.Codes, []string{"InvalidSignatureException"}) {
			t.Errorf("%s: %v", skew, err)
		}
	}
	w := newWorld(t)
	w.useKeys()
	w.skew = 3 * time.Minute
	if c, err := w.ask(w.provider(nil), privateHost); err != nil || c.Expires.After(w.now().Add(maxLife)) {
		t.Errorf("a clock that is a little wrong: expires %s, error %v", c.Expires, err)
	}
}

// A busy service is asked again, twice at most.
func TestThrottling(t *testing.T) {
	for name, refused := range map[string]*refusal{
		"throttled":   jsonError("ThrottlingException", "Rate exceeded"),
		"too many":    {status: 429},
		"unavailable": {status: 503},
		"broken":      jsonServerError,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.useKeys()
			left := 2
			w.refuse = func(string) *refusal {
				if left--; left >= 0 {
					return refused
				}
				return nil
			}
			p := w.provider(nil)
			if _, err := w.ask(p, privateHost); err != nil {
				t.Errorf("after two failures: %v", err)
			}
			w.wantCalls(getToken, getToken, getToken)
			left = 3
			_, err := w.ask(p, privateHost)
			if e, ok := errors.AsType[*auth.Error](err); !ok || e.StatusCode != refused.status || errors.Is(err, auth.ErrDenied) {
				t.Errorf("after three failures: %v", err)
			}
			w.wantCalls(getToken, getToken, getToken)
		})
	}
}

var jsonServerError = &refusal{status: 500, body: `{"__type":"ServerException","message":"canary"}`}

// An answer that is no token is an error that does not repeat it.
func TestMalformedAnswers(t *testing.T) {
	for name, tc := range map[string]struct{ body, want string }{
		"empty":       {"", "not the JSON of one"},
		"a page":      {"<html>canary", "not the JSON of one"},
		"no data":     {`{"authorizationData":[]}`, "not a password for the user AWS"},
		"public form": {`{"authorizationData":{"authorizationToken":"QVdTOng="}}`, "not the JSON of one"},
		"no base64":   {`{"authorizationData":[{"authorizationToken":"AWS:canary"}]}`, "not base64"},
		"other user":  {`{"authorizationData":[{"authorizationToken":"cm9vdDpjYW5hcnk="}]}`, "not a password for the user AWS"},
		"no password": {`{"authorizationData":[{"authorizationToken":"QVdTOg=="}]}`, "not a password for the user AWS"},
		"two lines":   {`{"authorizationData":[{"authorizationToken":"QVdTOmNhbmFyeQpY"}]}`, "not a password for the user AWS"},
		"ended":       {`{"authorizationData":[{"authorizationToken":"QVdTOng=","expiresAt":1000000000}]}`, "already ended"},
		"no time":     {`{"authorizationData":[{"authorizationToken":"QVdTOng=","expiresAt":"canary"}]}`, "not the JSON of one"},
		"too long":    {`{"authorizationData":[{"authorizationToken":"` + strings.Repeat("QVdT", maxAnswer/4) + `"}]}`, "more than 131072 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.useKeys()
			w.refuse = always(getToken, &refusal{status: 200, body: tc.body})
			_, err := w.ask(w.provider(nil), privateHost)
			if err == nil || errors.Is(err, auth.ErrNoCredential) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), privateHost) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			w.wantCalls(getToken)
		})
	}
}

func TestMalformedRole(t *testing.T) {
	for name, tc := range map[string]struct{ body, want string }{
		"empty":   {"", "not the XML of one"},
		"a page":  {"<html>canary</html>", "not the XML of one"},
		"no keys": {"<AssumeRoleWithWebIdentityResponse/>", "no complete key"},
		"ended": {"<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>a</AccessKeyId><SecretAccessKey>canary</SecretAccessKey>" +
			"<SessionToken>canary</SessionToken><Expiration>2011-07-11T19:55:29.611Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>", "already ended"},
	} {
		w := newWorld(t)
		w.useWebIdentity()
		w.refuse = always("POST "+regionalSTS, &refusal{status: 200, body: tc.body})
		if _, err := w.ask(w.provider(nil), privateHost); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q", name, err, tc.want)
		}
	}
}
