package ecr

import (
	"slices"
	"strings"
	"testing"

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
