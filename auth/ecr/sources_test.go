package ecr

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

const getToken = "POST " + privateAPI + " GetAuthorizationToken"

var askInstance = []string{"PUT " + metadataSession, "GET " + metadataRoles, "GET " + metadataRoles + "puller"}

// Each place gives its identity, and the origin tells which.
func TestSources(t *testing.T) {
	const profiles = "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/canary/EXAMPLEKEY\n"
	for name, tc := range map[string]struct {
		set  func(*world)
		opts Options
		from string
		want []string
	}{
		"environment": {set: (*world).useKeys, from: "environment variables", want: []string{getToken}},
		"environment with a session": {set: func(w *world) {
			k := w.roleKeys()
			w.env["AWS_ACCESS_KEY_ID"], w.env["AWS_SECRET_ACCESS_KEY"], w.env["AWS_SESSION_TOKEN"] = k.AccessKeyID, k.SecretAccessKey, k.SessionToken
		}, from: "environment variables", want: []string{getToken}},
		"web identity": {set: (*world).useWebIdentity, from: "role " + roleARN,
			want: []string{"POST " + regionalSTS + " AssumeRoleWithWebIdentity", getToken}},
		"web identity elsewhere": {set: func(w *world) {
			w.useWebIdentity()
			w.env["AWS_REGION"], w.env["AWS_ROLE_SESSION_NAME"] = "us-gov-east-1", "job-1"
		}, from: "role " + roleARN, want: []string{"POST sts.us-gov-east-1.amazonaws.com AssumeRoleWithWebIdentity", getToken}},
		"web identity in China": {set: (*world).useWebIdentity, opts: Options{Region: "cn-north-1"}, from: "role " + roleARN,
			want: []string{"POST sts.cn-north-1.amazonaws.com.cn AssumeRoleWithWebIdentity", getToken}},
		"web identity where the program says": {set: func(w *world) {
			w.useWebIdentity()
			w.env["AWS_REGION"] = "us-east-2"
		}, opts: Options{Region: "eu-north-1"}, from: "role " + roleARN,
			want: []string{"POST sts.eu-north-1.amazonaws.com AssumeRoleWithWebIdentity", getToken}},
		"web identity at an endpoint": {set: func(w *world) {
			w.useWebIdentity()
			w.env["AWS_ENDPOINT_URL_STS"] = "https://sts.vpce.example"
		}, from: "role " + roleARN, want: []string{"POST sts.vpce.example AssumeRoleWithWebIdentity", getToken}},
		"profile": {set: func(w *world) { w.write(".aws/credentials", profiles) }, from: "profile default", want: []string{getToken}},
		"profile of AWS_PROFILE": {set: func(w *world) {
			w.write(".aws/config", strings.Replace(profiles, "default", "profile dev", 1))
			w.env["AWS_PROFILE"] = "dev"
		}, from: "profile dev", want: []string{getToken}},
		"profile of both files": {set: func(w *world) {
			w.write(".aws/config", "[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = canary\n")
			w.write(".aws/credentials", profiles)
		}, from: "profile default", want: []string{getToken}},
		"profile in a file elsewhere": {set: func(w *world) {
			w.env["AWS_SHARED_CREDENTIALS_FILE"] = w.write("keys", profiles)
		}, from: "profile default", want: []string{getToken}},
		"profile that the program names": {set: func(w *world) {
			w.write(".aws/credentials", strings.Replace(profiles, "default", "dev", 1))
			w.env["AWS_ACCESS_KEY_ID"], w.env["AWS_SECRET_ACCESS_KEY"] = "AKIAOTHER", "canary"
		}, opts: Options{Profile: "dev"}, from: "profile dev", want: []string{getToken}},
		"profile with a web identity": {set: func(w *world) {
			w.write(".aws/config", "[default]\nregion = eu-west-3\nrole_arn = "+roleARN+"\nweb_identity_token_file = "+w.write("token", webToken)+"\n")
		}, from: "role " + roleARN, want: []string{"POST sts.eu-west-3.amazonaws.com AssumeRoleWithWebIdentity", getToken}},
		"ECS": {set: func(w *world) {
			w.links["169.254.170.2"] = true
			w.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/1?id=2"
			w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "https://not-asked.example"
		}, from: "container", want: []string{"GET /v2/credentials/1?id=2", getToken}},
		"EKS Pod Identity": {set: func(w *world) {
			w.links["169.254.170.23"] = true
			w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://169.254.170.23/v1/credentials"
			w.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = w.write("pod", "canary.pod.token\n")
			w.env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "canary the file goes before"
		}, from: "container", want: []string{"GET /v1/credentials", getToken}},
		"container at loopback": {set: func(w *world) {
			w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = w.machine.URL + "/creds"
			w.env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Basic canary"
		}, from: "container", want: []string{"GET /creds", getToken}},
		"container over https": {set: func(w *world) {
			w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "https://agent.example/pod-credentials"
		}, from: "container", want: []string{"GET /pod-credentials", getToken}},
		"instance": {set: func(w *world) { w.links["169.254.169.254"] = true }, from: "instance role puller",
			want: append(slices.Clone(askInstance), getToken)},
		"instance over IPv6": {set: func(w *world) {
			w.links["fd00:ec2::254"] = true
			w.env["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"] = "IPv6"
		}, from: "instance role puller", want: append(slices.Clone(askInstance), getToken)},
		"instance at an endpoint": {set: func(w *world) {
			w.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = w.machine.URL + "/"
		}, from: "instance role puller", want: append(slices.Clone(askInstance), getToken)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tc.set(w)
			c, err := w.ask(w.provider(&tc.opts), privateHost)
			if err != nil {
				t.Fatal(err)
			}
			if want := (auth.Origin{Kind: "AWS", Location: tc.from, Key: privateHost}); c.Origin != want {
				t.Errorf("origin %+v, want %+v", c.Origin, want)
			}
			w.wantCalls(tc.want...)
		})
	}
}

// The first place that is configured decides, in AWS's order; one that fails
// does not hand over to the next, which would be somebody else.
func TestOrderOfSources(t *testing.T) {
	w := newWorld(t)
	w.links["169.254.169.254"] = true
	p := w.provider(nil)
	from := func() string {
		c, err := w.ask(p, privateHost)
		if err != nil {
			return err.Error()
		}
		return c.Origin.Location
	}
	for _, step := range []struct {
		add  func()
		want string
	}{
		{func() {}, "instance role puller"},
		{func() { w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = w.machine.URL + "/creds" }, "container"},
		{func() {
			w.write(".aws/credentials", "[default]\naws_access_key_id="+w.keys.AccessKeyID+"\naws_secret_access_key="+w.keys.SecretAccessKey)
		}, "profile default"},
		{w.useWebIdentity, "role " + roleARN},
		{w.useKeys, "environment variables"},
		{func() { delete(w.env, "AWS_SECRET_ACCESS_KEY") }, "AWS environment variables: only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set; set both or neither"},
	} {
		step.add()
		if got := from(); got != step.want {
			t.Errorf("%s, want %s", got, step.want)
		}
	}
}

// Keys of a role are used until five minutes before their end, then asked for
// anew, and to their end where the service that gives them is out of order.
func TestRoleKeysAreKept(t *testing.T) {
	w := newWorld(t)
	w.links["169.254.169.254"] = true
	p := w.provider(nil)
	ask := func(want ...string) {
		t.Helper()
		if _, err := w.ask(p, privateHost); err != nil {
			t.Error(err)
		}
		w.wantCalls(want...)
	}
	whole := append(slices.Clone(askInstance), getToken)
	ask(whole...)
	ask(getToken)
	w.advance(w.life - margin - time.Second)
	ask(getToken)
	w.advance(time.Second)
	ask(whole...)
	w.refuse = func(call string) *refusal {
		if strings.HasPrefix(call, "PUT") {
			return &refusal{status: 500}
		}
		return nil
	}
	w.advance(w.life - time.Minute)
	ask(askInstance[0], askInstance[0], getToken) // two attempts, then the keys that still live
	w.advance(time.Minute)
	if _, err := w.ask(p, privateHost); err == nil || errors.Is(err, auth.ErrNoCredential) {
		t.Errorf("with dead keys: %v", err)
	}
	w.wantCalls(askInstance[0], askInstance[0])
}

// A token file is read anew for each role session: the platform rotates it.
// Keys of one role are not taken for those of another.
func TestRoleIsTakenAnew(t *testing.T) {
	w := newWorld(t)
	w.useWebIdentity()
	p := w.provider(nil)
	assume := "POST " + regionalSTS + " AssumeRoleWithWebIdentity"
	if _, err := w.ask(p, privateHost); err != nil {
		t.Fatal(err)
	}
	w.write("token", "canary.that.ended")
	if _, err := w.ask(p, privateHost); err != nil {
		t.Errorf("while the keys live: %v", err)
	}
	w.wantCalls(assume, getToken, getToken)
	w.advance(w.life)
	_, err := w.ask(p, privateHost)
	if e, ok := errors.AsType[*auth.Error](err); !ok || !slices.Equal(e.Codes, []string{"InvalidIdentityToken"}) || !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("error %v", err)
	}
	w.write("token", webToken)
	if _, err := w.ask(p, privateHost); err != nil {
		t.Errorf("with a new token: %v", err)
	}
	w.wantCalls(assume, assume, getToken)
	w.env["AWS_ROLE_ARN"] = roleARN + "-2"
	if _, err := w.ask(p, privateHost); !errors.Is(err, auth.ErrDenied) {
		t.Errorf("another role: %v, want auth.ErrDenied", err)
	}
	w.wantCalls(assume)
}

// Keys that AWS stops to accept before their end are taken anew, once.
func TestRevokedSession(t *testing.T) {
	w := newWorld(t)
	w.links["169.254.169.254"] = true
	p := w.provider(nil)
	if _, err := w.ask(p, privateHost); err != nil {
		t.Fatal(err)
	}
	clear(w.sessions)
	if _, err := w.ask(p, privateHost); err != nil {
		t.Errorf("after the sessions were revoked: %v", err)
	}
	whole := append(slices.Clone(askInstance), getToken)
	w.wantCalls(append(append(slices.Clone(whole), getToken), whole...)...)
	w.refuse = func(call string) *refusal {
		if call == getToken {
			return jsonError("ExpiredTokenException", "expired")
		}
		return nil
	}
	if _, err := w.ask(p, privateHost); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("error %v, want auth.ErrUnauthorized", err)
	}
	w.wantCalls(append(append([]string{getToken}, askInstance...), getToken)...)
}

// Many callers at once take a role on once.
func TestOneRoleSessionForMany(t *testing.T) {
	w := newWorld(t)
	w.useWebIdentity()
	p := w.provider(nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := p.Credential(t.Context(), auth.Resource{Host: privateHost}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	sessions := 0
	for _, call := range w.calls {
		if strings.HasSuffix(call, "AssumeRoleWithWebIdentity") {
			sessions++
		}
	}
	if sessions != 1 || len(w.calls) != 21 {
		t.Errorf("%d sessions in %d requests, want 1 in 21", sessions, len(w.calls))
	}
}

// What is not an identity says so, and what is a broken one does.
func TestSourcesWithoutAnIdentity(t *testing.T) {
	for name, tc := range map[string]struct {
		set  func(*world)
		opts Options
		want string // a part of the error; empty: there is no credential
	}{
		"instance without a role": {set: func(w *world) { w.links["169.254.169.254"], w.hasRole = true, false }},
		"metadata turned off": {set: func(w *world) {
			w.links["169.254.169.254"] = true
			w.refuse = func(string) *refusal { return &refusal{status: http.StatusForbidden} }
		}},
		"metadata disabled": {set: func(w *world) {
			w.links["169.254.169.254"] = true
			w.env["AWS_EC2_METADATA_DISABLED"] = "TRUE"
		}},
		"profile with a region alone": {set: func(w *world) { w.write(".aws/config", "[default]\nregion = eu-west-1\n") }},
		"metadata of version 1": {set: func(w *world) {
			w.links["169.254.169.254"] = true
			w.refuse = func(string) *refusal { return &refusal{status: http.StatusNotFound} }
		}, want: "gave no session (IMDSv2): 404 not found"},
		"metadata endpoint that nobody listens at": {set: func(w *world) { w.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:1" },
			want: "asking the instance's metadata service failed"},
		"metadata endpoint elsewhere": {set: func(w *world) { w.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://192.0.2.1" },
			want: "plain http goes to loopback and to AWS's link-local addresses only"},
		"metadata endpoint with a password": {set: func(w *world) { w.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://u:canary@127.0.0.1:1" },
			want: "not a URL of the form http://host"},
		"role with a path": {set: func(w *world) {
			w.links["169.254.169.254"] = true
			w.refuse = func(call string) *refusal {
				if call == askInstance[1] {
					return &refusal{status: 200, body: "../../user-data"}
				}
				return nil
			}
		}, want: "it has no proper name"},
		"role that cannot be taken on": {set: func(w *world) {
			w.links["169.254.169.254"] = true
			w.refuse = func(call string) *refusal {
				if call == askInstance[2] {
					return &refusal{status: 200, body: `{"Code":"AssumeRoleUnauthorizedAccess","Message":"canary"}`}
				}
				return nil
			}
		}, want: "did not give its role (AssumeRoleUnauthorizedAccess); check the instance profile"},
		"keys without an end": {set: func(w *world) {
			w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = w.machine.URL
			w.refuse = func(string) *refusal {
				return &refusal{status: 200, body: `{"AccessKeyId":"a","SecretAccessKey":"canary","Token":"canary"}`}
			}
		}, want: "does not say when the key ends"},
		"no keys": {set: func(w *world) {
			w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = w.machine.URL
			w.refuse = func(string) *refusal { return &refusal{status: 200, body: `{}`} }
		}, want: "no complete key"},
		"no JSON": {set: func(w *world) {
			w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = w.machine.URL
			w.refuse = func(string) *refusal { return &refusal{status: 200, body: `<html>canary`} }
		}, want: "not the JSON of some"},
		"container elsewhere": {set: func(w *world) {
			w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"], w.env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "http://192.0.2.1/creds?canary", "canary"
		}, want: "plain http goes to loopback and to AWS's link-local addresses only"},
		"container at another host": {set: func(w *world) { w.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "@evil.example/canary" },
			want: "the URI of its credentials cannot be used"},
		"container at another port": {set: func(w *world) { w.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = ":8080/canary" },
			want: "the URI of its credentials cannot be used"},
		"container by file": {set: func(w *world) { w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "file:///canary" },
			want: "the URI of its credentials cannot be used"},
		"container token of another": {set: func(w *world) {
			w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://127.0.0.1:" + w.machine.URL[strings.LastIndex(w.machine.URL, ":")+1:]
			w.refuse = func(string) *refusal {
				return &refusal{status: 401, body: `{"code":"InvalidToken","message":"canary"}`}
			}
		}, want: "401 unauthorized (InvalidToken)"},
		"container token file with a header in it": {set: func(w *world) {
			w.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = w.machine.URL
			w.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = w.write("pod", "canary\r\nX-Y: canary")
		}, want: "it is not one line"},
		"web identity without a role":    {set: func(w *world) { w.useWebIdentity(); delete(w.env, "AWS_ROLE_ARN") }, want: "there is a token file and no role"},
		"web identity without its file":  {set: func(w *world) { w.useWebIdentity(); w.env["AWS_WEB_IDENTITY_TOKEN_FILE"] += "x" }, want: "no such file"},
		"web identity of an empty file":  {set: func(w *world) { w.useWebIdentity(); w.write("token", " \n") }, want: "it is empty"},
		"web identity of a huge file":    {set: func(w *world) { w.useWebIdentity(); w.write("token", strings.Repeat("canary", 1<<13)) }, want: "more than 32768 bytes"},
		"web identity in no region":      {set: func(w *world) { w.useWebIdentity(); w.env["AWS_REGION"] = "evil.example/#canary" }, want: "its region is not the name of one"},
		"web identity over plain http":   {set: func(w *world) { w.useWebIdentity(); w.env["AWS_ENDPOINT_URL"] = "http://127.0.0.1/canary" }, want: "AWS_ENDPOINT_URL is not a URL of the form https://host"},
		"AWS_PROFILE that is not there":  {set: func(w *world) { w.env["AWS_PROFILE"] = "prod" }, want: "AWS profile prod: there is no such profile"},
		"option that is not there":       {opts: Options{Profile: "prod"}, set: (*world).useKeys, want: "AWS profile prod: there is no such profile"},
		"profile that cannot be read":    {set: func(w *world) { w.env["AWS_CONFIG_FILE"] = w.env["HOME"] }, want: "is a directory"},
		"profile with half a key":        {set: func(w *world) { w.write(".aws/credentials", "[default]\naws_secret_access_key = canary\n") }, want: "only one of aws_access_key_id"},
		"profile with a process":         {set: profileWith("credential_process = /bin/canary"), want: "(credential_process), which is not supported here; use the library of amazon-ecr-credential-helper with auth.FromHelper"},
		"profile with Identity Center":   {set: profileWith("sso_session = canary"), want: "IAM Identity Center (sso_session), which is not supported here"},
		"profile with old SSO":           {set: profileWith("sso_start_url = https://canary"), want: "IAM Identity Center (sso_start_url)"},
		"profile with a login":           {set: profileWith("login_session = canary"), want: "a console login (login_session)"},
		"profile of a profile":           {set: profileWith("role_arn = x\nsource_profile = canary"), want: "a role taken on from another profile (source_profile)"},
		"profile with credential_source": {set: profileWith("role_arn = x\ncredential_source = Ec2InstanceMetadata"), want: "credential_source"},
		"profile with keys and a role":   {set: profileWith("role_arn = x\nsource_profile = default\naws_access_key_id = a\naws_secret_access_key = canary"), want: "source_profile"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tc.set(w)
			p := w.provider(&tc.opts)
			_, err := w.ask(p, privateHost)
			switch {
			case err == nil:
				t.Error("there is a credential")
			case tc.want == "" && !errors.Is(err, auth.ErrNoCredential):
				t.Errorf("error %v, want auth.ErrNoCredential", err)
			case tc.want != "" && (errors.Is(err, auth.ErrNoCredential) || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("error %v, want %q", err, tc.want)
			}
			w.wantNoSecret(p.Explain(t.Context(), auth.Resource{Host: privateHost}))
			for _, call := range w.calls {
				if call == getToken {
					t.Error("a token was asked for without an identity")
				}
			}
		})
	}
}

func profileWith(lines string) func(*world) {
	return func(w *world) { w.write(".aws/config", "[default]\n"+lines+"\n") }
}
