package ecr

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
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
	if c, err := w.ask(w.provider(nil), privateHost); err != nil || c.Expires.After(w.now().Add(lifetime)) {
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

// A peer that is not AWS gets no second request, and one that is not there
// gets three. The program's own client is left as it was.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.useKeys()
	attempts := 0
	dead := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		attempts++
		return nil, errors.New("proxy http://u:canary@proxy.example: refused")
	}}}
	_, err := w.ask(w.provider(&Options{HTTPClient: dead}), privateHost)
	if err == nil || !strings.Contains(err.Error(), "asking Amazon ECR for a token failed") || attempts != awsAttempts {
		t.Errorf("%d attempts, error %v", attempts, err)
	}
	if dead.CheckRedirect != nil {
		t.Error("the program's client was changed")
	}
	attempts = 0
	stranger := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		attempts++
		return new(net.Dialer).DialContext(ctx, network, w.aws.Listener.Addr().String())
	}}}
	_, err = w.ask(w.provider(&Options{HTTPClient: stranger}), privateHost)
	if err == nil || !strings.Contains(err.Error(), "certificate") || attempts != 1 {
		t.Errorf("%d attempts, error %v", attempts, err)
	}
	w.wantCalls()
}

// A metadata service whose answer does not arrive is most often one at the end
// of too few hops.
func TestHopLimit(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := newWorld(t)
	w.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://" + l.Addr().String()
	start := time.Now()
	_, err = w.ask(w.provider(nil), privateHost)
	if err == nil || !strings.Contains(err.Error(), "hop limit must be 2 or more") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > 2*localTimeout {
		t.Errorf("it took %s", took)
	}
}

// A caller that gives up gets its own error, while it waits for the turn too.
func TestContext(t *testing.T) {
	w := newWorld(t)
	w.useWebIdentity()
	p := w.provider(nil)
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := p.Credential(ctx, auth.Resource{Host: privateHost}); !errors.Is(err, gone) {
		t.Errorf("error %v, want the context's", err)
	}
	p.turn <- struct{}{}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, err := p.Credential(ctx, auth.Resource{Host: privateHost}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the context's", err)
	}
	w.wantCalls()
}

// Plain HTTP is held to the machine itself when the connection is made.
func TestOnlyLocal(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "127.8.8.8:1": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true,
		"169.254.169.254:80": true, "169.254.170.2:80": true, "169.254.170.23:80": true, "[fd00:ec2::254]:80": true, "[fd00:ec2::23]:80": true,
		"[::ffff:169.254.169.254]:80": true,
		"169.254.169.253:80":          false, "10.0.0.1:80": false, "192.0.2.1:80": false, "0.0.0.0:80": false, "[fd00:ec2::1]:80": false, "[fe80::1%eth0]:80": false,
		"": false, "localhost:80": false,
	} {
		if err := onlyLocal(t.Context(), "tcp", address, nil); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// The machine's own endpoints are never asked through a proxy, which would see
// the keys, and for which these addresses are its own.
func TestNoProxyForTheMachine(t *testing.T) {
	if localClient().Transport.(*http.Transport).Proxy != nil {
		t.Error("there is a proxy")
	}
}

// Cookies of the program's client stay with it.
func TestNoCookies(t *testing.T) {
	w := newWorld(t)
	w.useKeys()
	client := w.client()
	client.Jar = cookies{}
	p := w.provider(&Options{HTTPClient: client})
	cookie := false
	plain := p.aws.Transport
	p.aws.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		cookie = cookie || r.Header.Get("Cookie") != ""
		return plain.RoundTrip(r)
	})
	if _, err := w.ask(p, privateHost); err != nil || cookie {
		t.Errorf("a cookie was sent: %v; error %v", cookie, err)
	}
}

// cookies has one for everybody.
type cookies struct{}

func (cookies) SetCookies(*url.URL, []*http.Cookie) {}
func (cookies) Cookies(*url.URL) []*http.Cookie     { return []*http.Cookie{{Name: "a", Value: canary}} }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// FuzzFailure reads failures of anybody: a code is a short word.
func FuzzFailure(f *testing.F) {
	f.Add("", `{"__type":"com.amazonaws.ecr#X","code":"Y"}`)
	f.Add("X:http://x/", ``)
	f.Add("", `<ErrorResponse><Error><Code>X</Code></Error></ErrorResponse>`)
	f.Add("", `{"Code":"X"}`)
	f.Add("#:#", `{"__type":7}`)
	f.Fuzz(func(t *testing.T, header, body string) {
		h := http.Header{}
		h.Set("X-Amzn-ErrorType", header)
		if code := failureCode(h, []byte(body)); len(code) > 64 || strings.ContainsAny(code, " \n\t/=<>\"'{}") {
			t.Errorf("code %q", code)
		}
	})
}

// FuzzShared reads shared files of anybody: what is kept is in the file, keys
// are in lower case, and values are of one line.
func FuzzShared(f *testing.F) {
	f.Add("[default]\naws_access_key_id = A\n[profile  dev ] # x\n s3 =\n  a = b\nK=\"v\" ; x\n")
	f.Add("\xef\xbb\xbf[a]\r\nb=c\r\n")
	f.Add("a=b\n[x\n[]\n=\n[ y ]z\n\n#\n;\n[")
	f.Fuzz(func(t *testing.T, text string) {
		for section, keys := range parseShared([]byte(text)) {
			if strings.ContainsAny(section, "\n#;") {
				t.Errorf("section %q", section)
			}
			for key, value := range keys {
				if key != strings.ToLower(key) || strings.Contains(value, "\n") || !strings.Contains(text, value) {
					t.Errorf("%q = %q", key, value)
				}
			}
		}
	})
}

// The forms that the AWS documentation shows are read, and the later of two
// sections of a name adds to the earlier.
func TestShared(t *testing.T) {
	got := parseShared([]byte(`outside = 1
[default] ; a comment
AWS_ACCESS_KEY_ID=A # not this
aws_secret_access_key = "a#b;c"
region=
  s3 = x
# comment = 1
[profile   dev]
role_arn = arn:aws:iam::1:role/x
[default]
region = eu-west-1
no property
[broken
inside = default
`))
	want := map[string]map[string]string{
		"default":     {"aws_access_key_id": "A", "aws_secret_access_key": "a#b;c", "region": "eu-west-1", "inside": "default"},
		"profile dev": {"role_arn": "arn:aws:iam::1:role/x"},
	}
	if a, b := toJSON(t, got), toJSON(t, want); a != b {
		t.Errorf("got %s, want %s", a, b)
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
