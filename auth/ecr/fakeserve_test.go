package ecr

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/smithy-go/aws-http-auth/credentials"
)

func (w *world) serveAWS(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	host := strings.TrimSuffix(r.Host, ":443")
	switch {
	case strings.HasPrefix(host, "sts."):
		w.serveSTS(rw, r, host, string(body))
	case r.URL.Path == "/pod-credentials":
		w.serveContainer(rw, r)
	default:
		w.serveECR(rw, r, host, body)
	}
}

// serveECR checks the target, the body and the signature, in AWS's order.
func (w *world) serveECR(rw http.ResponseWriter, r *http.Request, host string, body []byte) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if w.note(rw, r.Method+" "+host+" "+operation) {
		return
	}
	service, target := "ecr", privateTarget
	if strings.Contains(host, "ecr-public") {
		service, target = "ecr-public", publicTarget
	}
	var input struct{ RegistryIDs []string }
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" || r.Header.Get("X-Amz-Target") != target:
		w.write4xx(rw, jsonError("UnknownOperationException", ""))
		return
	case json.Unmarshal(body, &input) != nil || (service == "ecr") != (len(input.RegistryIDs) == 1):
		w.write4xx(rw, jsonError("InvalidParameterException", "Invalid parameter at 'registryIds'"))
		return
	}
	if refused := w.checkSignature(r, body, service); refused != nil {
		w.write4xx(rw, refused)
		return
	}
	w.issued++
	data := map[string]any{
		"authorizationToken": base64.StdEncoding.EncodeToString([]byte("AWS:" + w.password(w.issued))),
		"expiresAt":          w.endsAt(w.clock.Add(w.skew).Add(12 * time.Hour)),
	}
	var output any = map[string]any{"authorizationData": data}
	if service == "ecr" {
		data["proxyEndpoint"] = "https://" + input.RegistryIDs[0] + ".dkr.ecr.eu-west-1.amazonaws.com"
		output = map[string]any{"authorizationData": []any{data}}
	}
	rw.Header().Set("Content-Type", "application/x-amz-json-1.1")
	json.NewEncoder(rw).Encode(output)
}

// password is the one of the nth token.
func (w *world) password(n int) string { return fmt.Sprintf("%s-%d", canary, n) }

// serveSTS knows AssumeRoleWithWebIdentity, which nobody signs.
func (w *world) serveSTS(rw http.ResponseWriter, r *http.Request, host, body string) {
	r.Body = io.NopCloser(strings.NewReader(body))
	form := r.FormValue
	if w.note(rw, r.Method+" "+host+" "+form("Action")) {
		return
	}
	switch {
	case r.Method != http.MethodPost || form("Action") != "AssumeRoleWithWebIdentity" || form("Version") != "2011-06-15" || r.URL.RawQuery != "" || r.Header.Get("Authorization") != "":
		w.write4xx(rw, xmlError(400, "InvalidAction", ""))
	case len(form("RoleSessionName")) < 2 || form("RoleArn") != roleARN:
		w.write4xx(rw, xmlError(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"))
	case form("WebIdentityToken") != webToken:
		w.write4xx(rw, xmlError(400, "InvalidIdentityToken", "The web identity token "+form("WebIdentityToken")+" could not be validated"))
	default:
		k := w.roleKeys()
		rw.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(rw, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>system:serviceaccount:ns:puller</SubjectFromWebIdentityToken>
    <Audience>sts.amazonaws.com</Audience>
    <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/puller/x</Arn><AssumedRoleId>AROACLKWSDQRAOEXAMPLE:x</AssumedRoleId></AssumedRoleUser>
    <Credentials>
      <SessionToken>%s</SessionToken>
      <SecretAccessKey>%s</SecretAccessKey>
      <Expiration>%s</Expiration>
      <AccessKeyId>%s</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>ad4156e9</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>`, k.SessionToken, k.SecretAccessKey, k.Expires.Format(time.RFC3339), k.AccessKeyID)
	}
}

// roleKeys makes new keys of a role.
func (w *world) roleKeys() credentials.Credentials {
	w.issued++
	k := credentials.Credentials{
		AccessKeyID: fmt.Sprintf("ASIAEXAMPLE%d", w.issued), SecretAccessKey: fmt.Sprintf("canary/secret/%d", w.issued),
		SessionToken: fmt.Sprintf("canary/session/%d+//==", w.issued), Expires: w.clock.Add(w.skew).Add(w.life),
	}
	w.sessions[k.AccessKeyID] = k
	return k
}

// serveMachine is the metadata service of EC2 and the container agents.
func (w *world) serveMachine(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !strings.HasPrefix(r.URL.Path, "/latest/") {
		w.serveContainer(rw, r)
		return
	}
	if w.note(rw, r.Method+" "+r.URL.Path) {
		return
	}
	switch {
	case r.URL.Path == metadataSession:
		ttl := r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds")
		if r.Method != http.MethodPut || ttl == "" || r.Header.Get("X-Forwarded-For") != "" {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		w.session = canary + "-imds=="
		rw.Header().Set("X-aws-ec2-metadata-token-ttl-seconds", ttl)
		io.WriteString(rw, w.session)
	case w.session == "" || r.Header.Get("X-aws-ec2-metadata-token") != w.session || r.Method != http.MethodGet:
		rw.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == metadataRoles && w.hasRole:
		io.WriteString(rw, "puller")
	case r.URL.Path == metadataRoles+"puller" && w.hasRole:
		w.writeKeys(rw, map[string]any{"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": w.clock})
	default:
		http.NotFound(rw, r)
	}
}

// serveContainer wants the token of its environment.
func (w *world) serveContainer(rw http.ResponseWriter, r *http.Request) {
	if w.note(rw, r.Method+" "+r.URL.RequestURI()) {
		return
	}
	want := w.env["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
	if file := w.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]; file != "" {
		data, _ := os.ReadFile(file)
		want = strings.TrimSpace(string(data))
	}
	if r.Header.Get("Authorization") != want {
		w.write4xx(rw, &refusal{status: 401, body: `{"code":"InvalidAuthorizationToken","message":"canary"}`})
		return
	}
	w.writeKeys(rw, map[string]any{"RoleArn": roleARN})
}

func (w *world) writeKeys(rw http.ResponseWriter, answer map[string]any) {
	k := w.roleKeys()
	answer["AccessKeyId"], answer["SecretAccessKey"], answer["Token"] = k.AccessKeyID, k.SecretAccessKey, k.SessionToken
	answer["Expiration"] = k.Expires.Format(time.RFC3339)
	json.NewEncoder(rw).Encode(answer)
}

// note records a call and gives its failure, if there is one.
func (w *world) note(rw http.ResponseWriter, call string) (failed bool) {
	w.calls = append(w.calls, call)
	rw.Header().Set("Date", w.clock.Add(w.skew).Format(http.TimeFormat))
	if w.refuse == nil {
		return false
	}
	return w.write4xx(rw, w.refuse(call))
}

func (w *world) write4xx(rw http.ResponseWriter, r *refusal) bool {
	if r == nil {
		return false
	}
	for name, value := range r.header {
		rw.Header().Set(name, value)
	}
	rw.WriteHeader(r.status)
	io.WriteString(rw, r.body)
	return true
}
