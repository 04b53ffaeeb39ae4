package ecr

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/auth"
)

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
