package ecr

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// A token comes with its end, the service's user name, and where its identity
// was found; the account is the one in the host.
func TestToken(t *testing.T) {
	for host, call := range map[string]string{
		privateHost: "POST " + privateAPI + " GetAuthorizationToken",
		"210987654321.dkr.ecr-fips.us-gov-west-1.amazonaws.com": "POST ecr-fips.us-gov-west-1.amazonaws.com GetAuthorizationToken",
		"210987654321.dkr.ecr.cn-north-1.amazonaws.com.cn":      "POST api.ecr.cn-north-1.amazonaws.com.cn GetAuthorizationToken",
		"210987654321.dkr-ecr.eu-central-1.on.aws":              "POST ecr.eu-central-1.api.aws GetAuthorizationToken",
		"public.ecr.aws":     "POST " + publicAPI + " GetAuthorizationToken",
		"ecr-public.aws.com": "POST ecr-public.us-east-1.api.aws GetAuthorizationToken",
	} {
		t.Run(host, func(t *testing.T) {
			w := newWorld(t)
			w.useKeys()
			c, err := w.ask(w.provider(nil), host)
			if err != nil {
				t.Fatal(err)
			}
			if c.Username != "AWS" || c.Password.Reveal() != w.password(1) {
				t.Errorf("credential of %q with %q", c.Username, c.Password.Reveal())
			}
			if want := w.now().Add(12 * time.Hour); !c.Expires.Equal(want) {
				t.Errorf("expires %s, want %s", c.Expires, want)
			}
			if want := (auth.Origin{Kind: "AWS", Location: "environment variables", Key: host}); c.Origin != want {
				t.Errorf("origin %+v, want %+v", c.Origin, want)
			}
			w.wantCalls(call)
		})
	}
}

// New keeps a token for its host and for every path beneath it, asks anew when
// a registry has rejected it, and passes questions on.
func TestNewKeepsTokens(t *testing.T) {
	w := newWorld(t)
	w.useKeys()
	p := w.open()
	var first auth.Credential
	for _, path := range []string{"", "team", "team/app", "other"} {
		c, err := p.Credential(t.Context(), auth.Resource{Host: privateHost, Path: path})
		if err != nil {
			t.Fatal(err)
		}
		first = c
	}
	w.wantCalls("POST " + privateAPI + " GetAuthorizationToken")
	renewed, err := p.(auth.Renewer).Renew(t.Context(), auth.Resource{Host: privateHost, Path: "team/app"}, first)
	if err != nil || renewed.Password.Equal(first.Password) {
		t.Errorf("renewed: the same password %v, error %v", renewed.Password.Equal(first.Password), err)
	}
	w.wantCalls("POST " + privateAPI + " GetAuthorizationToken")
	findings, err := auth.Explain(t.Context(), p, auth.Resource{Host: privateHost, Path: "team/app"})
	if err != nil || len(findings) != 1 || findings[0].Outcome != auth.OutcomeAnswers || findings[0].Kind != "password" || findings[0].Expires.IsZero() {
		t.Errorf("findings %+v, error %v", findings, err)
	}
	w.wantNoSecret(findings)
	w.wantNoSecret(p)
}

// A host with the port of HTTPS is the same one, and no other host comes near
// what is kept.
func TestNewKeepsTokensPerHost(t *testing.T) {
	w := newWorld(t)
	w.useKeys()
	p := w.open()
	for _, host := range []string{privateHost, privateHost + ":443"} {
		if _, err := w.ask(p, host); err != nil {
			t.Fatal(err)
		}
	}
	w.wantCalls(getToken)
	for _, host := range evilHosts {
		if _, err := w.ask(p, host); err != notOurs {
			t.Errorf("%q: error %v", host, err)
		}
		if _, err := p.(auth.Renewer).Renew(t.Context(), auth.Resource{Host: host}, auth.Credential{}); err != notOurs {
			t.Errorf("%q, renewed: error %v", host, err)
		}
	}
	w.wantCalls()
}

// Options that cannot be used are refused, without a word of what is in them.
func TestOptionsAreChecked(t *testing.T) {
	for name, tc := range map[string]struct {
		opts Options
		want string
	}{
		"no region":              {Options{Region: "evil.example/#"}, "Region"},
		"plain http":             {Options{Endpoint: "http://canary.example"}, "Endpoint"},
		"plain http at loopback": {Options{STSEndpoint: "http://127.0.0.1:1"}, "STSEndpoint"},
		"password":               {Options{Endpoint: "https://u:canary@ecr.example"}, "Endpoint"},
		"query":                  {Options{Endpoint: "https://ecr.example/?canary"}, "Endpoint"},
		"no host":                {Options{Endpoint: "https:///x"}, "Endpoint"},
	} {
		_, err := New(&tc.opts)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(nil); err != nil {
		t.Error(err)
	}
}

// Somebody behind a VPC endpoint names it, in the options or in AWS's own
// variables.
func TestEndpoints(t *testing.T) {
	const own = "vpce-1.api.ecr.eu-west-1.vpce.amazonaws.com"
	for name, tc := range map[string]struct {
		opts Options
		env  map[string]string
		host string
		want []string
	}{
		"option":        {opts: Options{Endpoint: "https://" + own}, want: []string{own}},
		"option, slash": {opts: Options{Endpoint: "https://" + own + "/"}, want: []string{own}},
		"option before variables": {opts: Options{Endpoint: "https://" + own},
			env: map[string]string{"AWS_ENDPOINT_URL_ECR": "https://other.example"}, want: []string{own}},
		"AWS_ENDPOINT_URL_ECR": {env: map[string]string{"AWS_ENDPOINT_URL_ECR": "https://" + own, "AWS_ENDPOINT_URL": "https://other.example"}, want: []string{own}},
		"AWS_ENDPOINT_URL":     {env: map[string]string{"AWS_ENDPOINT_URL": "https://" + own}, want: []string{own}},
		"ignored":              {env: map[string]string{"AWS_ENDPOINT_URL": "https://" + own, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, want: []string{privateAPI}},
		"public has its own":   {opts: Options{Endpoint: "https://" + own}, host: "public.ecr.aws", want: []string{publicAPI}},
		"AWS_ENDPOINT_URL_ECR_PUBLIC": {env: map[string]string{"AWS_ENDPOINT_URL_ECR_PUBLIC": "https://x.ecr-public.example"},
			host: "public.ecr.aws", want: []string{"x.ecr-public.example"}},
		"plain http": {env: map[string]string{"AWS_ENDPOINT_URL_ECR": "http://" + own}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.useKeys()
			for name, value := range tc.env {
				w.env[name] = value
			}
			// The fake reads the region for its signature from Amazon's names
			// alone, so the answer may be a refusal: who was asked is the point.
			host := tc.host
			if host == "" {
				host = privateHost
			}
			_, err := w.ask(w.provider(&tc.opts), host)
			var want []string
			for _, host := range tc.want {
				want = append(want, "POST "+host+" GetAuthorizationToken")
			}
			if len(want) == 0 && !errors.Is(err, auth.ErrConfigInvalid) {
				t.Errorf("error %v, want auth.ErrConfigInvalid", err)
			}
			w.wantCalls(want...)
		})
	}
}

// Explain names each place up to the one that decides, and why the others do
// not answer.
func TestExplain(t *testing.T) {
	w := newWorld(t)
	p := w.provider(nil)
	explain := func() string {
		findings, err := auth.Explain(t.Context(), p, auth.Resource{Host: privateHost})
		if err != nil {
			t.Fatal(err)
		}
		w.wantNoSecret(findings)
		var lines []string
		for _, f := range findings {
			lines = append(lines, f.Origin.String()+": "+string(f.Outcome)+": "+f.Reason)
		}
		return strings.Join(lines, "\n")
	}
	want := `AWS environment variables: none: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set
AWS web identity: none: AWS_WEB_IDENTITY_TOKEN_FILE is not set
AWS profile default: none: there is no such profile
AWS container: none: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI are not set
AWS instance metadata: none: there is no metadata service, so this is no EC2 instance`
	if got := explain(); got != want {
		t.Errorf("nothing configured:\n%s\nwant:\n%s", got, want)
	}
	w.env["AWS_EC2_METADATA_DISABLED"] = "true"
	if got := explain(); !strings.HasSuffix(got, "AWS instance metadata: none: AWS_EC2_METADATA_DISABLED is set") {
		t.Errorf("disabled:\n%s", got)
	}
	w.useWebIdentity()
	want = `AWS environment variables: none: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set
AWS role ` + roleARN + ` (` + privateHost + `): answers: `
	if got := explain(); got != want {
		t.Errorf("web identity:\n%s\nwant:\n%s", got, want)
	}
	w.env["AWS_ROLE_ARN"] += "x"
	if got := explain(); !strings.Contains(got, "AWS web identity: failed: ") || !strings.Contains(got, "did not give the role "+roleARN+"x") || !strings.Contains(got, "AccessDenied") {
		t.Errorf("wrong role:\n%s", got)
	}
}

// A chain tells half an access key from none, and passes on to the next.
func TestHalfAKeyInAChain(t *testing.T) {
	w := newWorld(t)
	w.env["AWS_ACCESS_KEY_ID"] = w.keys.AccessKeyID
	p := auth.Chain(w.provider(nil))
	for host, want := range map[string]bool{"ghcr.io": false, privateHost + ".registry.example": false, privateHost: true} {
		_, err := p.Credential(t.Context(), auth.Resource{Host: host})
		if !errors.Is(err, auth.ErrNoCredential) || errors.Is(err, auth.ErrConfigInvalid) != want {
			t.Errorf("%s: error %v", host, err)
		}
	}
	findings, err := auth.Explain(t.Context(), p, auth.Resource{Host: privateHost})
	if err != nil || len(findings) != 1 || findings[0].Origin.String() != "AWS environment variables" || findings[0].Outcome != auth.OutcomeFailed {
		t.Errorf("findings %+v, error %v", findings, err)
	}
}

// Where nothing is configured there is no credential, and nothing is shown.
func TestNoIdentity(t *testing.T) {
	w := newWorld(t)
	_, err := w.ask(w.provider(nil), privateHost)
	if !errors.Is(err, auth.ErrNoCredential) {
		t.Errorf("error %v, want auth.ErrNoCredential", err)
	}
	if _, err := auth.Chain(w.provider(nil)).Credential(t.Context(), auth.Resource{Host: privateHost}); err != auth.ErrNoCredential {
		t.Errorf("a chain remembers %v", err)
	}
	w.wantCalls()
}
