package ecr

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go/aws-http-auth/credentials"

	"github.com/portolan-oci/portolan/auth"
)

// Every secret of a world has this word in it, and no error may.
const canary = "canary"

const (
	privateHost = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
	privateAPI  = "api.ecr.eu-west-1.amazonaws.com"
	publicAPI   = publicEndpoint
	regionalSTS = "sts.eu-west-1.amazonaws.com"
	roleARN     = "arn:aws:iam::123456789012:role/puller"
	webToken    = "canary.web.identity"
)

// world is AWS as far as a provider sees it: ECR and STS behind one TLS
// server, told apart by their host names, and the endpoints of the machine
// itself behind another. They are built from the documented protocols.
type world struct {
	t       *testing.T
	aws     *httptest.Server
	machine *httptest.Server
	env     map[string]string
	keys    credentials.Credentials // of a user, which do not end

	mu       sync.Mutex
	clock    time.Time     // of the provider
	skew     time.Duration // how far AWS's clock is ahead
	calls    []string
	sessions map[string]credentials.Credentials // of roles, by access key
	refuse   func(call string) *refusal         // a failure instead of an answer
	issued   int                                // tokens of ECR and keys of roles
	life     time.Duration                      // of a role's keys
	endsAt   func(time.Time) any                // expiresAt for a time
	session  string                             // of the metadata service; empty: none yet
	hasRole  bool                               // of the instance
	links    map[string]bool                    // link-local addresses that somebody listens at
}

// refusal is one failure. A nil *refusal is an answer.
type refusal struct {
	status int
	body   string
	header map[string]string
}

// jsonError is a failure of the AWS JSON protocol.
func jsonError(code, message string) *refusal {
	return &refusal{status: 400, body: fmt.Sprintf(`{"__type":%q,"message":%q}`, code, message)}
}

// xmlError is a failure of the AWS Query protocol.
func xmlError(status int, code, message string) *refusal {
	return &refusal{status: status, body: fmt.Sprintf(`<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error>
  <RequestId>5d5d-0000</RequestId>
</ErrorResponse>`, code, message)}
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, env: map[string]string{"HOME": t.TempDir()}, clock: time.Now().UTC().Truncate(time.Second), life: time.Hour, hasRole: true,
		keys:     credentials.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/canary/EXAMPLEKEY"},
		sessions: map[string]credentials.Credentials{}, links: map[string]bool{},
		endsAt: func(end time.Time) any { return json.Number(fmt.Sprintf("%d.123", end.Unix())) },
	}
	w.aws = httptest.NewTLSServer(http.HandlerFunc(w.serveAWS))
	t.Cleanup(w.aws.Close)
	w.machine = httptest.NewServer(http.HandlerFunc(w.serveMachine))
	t.Cleanup(w.machine.Close)
	return w
}

// client reaches the TLS server under any name.
func (w *world) client() *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(w.aws.Certificate())
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, w.aws.Listener.Addr().String())
		},
		TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: "example.com"},
		DisableKeepAlives: true,
	}}
}

// provider is one without a cache around it, with the world's clock, and with
// nobody at the link-local addresses but for those in w.links.
func (w *world) provider(opts *Options) *provider {
	w.t.Helper()
	var o Options
	if opts != nil {
		o = *opts
	}
	o.Getenv = func(name string) string { return w.env[name] }
	if o.HTTPClient == nil {
		o.HTTPClient = w.client()
	}
	p, err := newProvider(&o)
	if err != nil {
		w.t.Fatal(err)
	}
	p.now = w.now
	w.link(p)
	return p
}

func (w *world) link(p *provider) {
	dial := p.local.Transport.(*http.Transport).DialContext
	p.local.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(address)
		switch {
		case w.links[host]:
			address = w.machine.Listener.Addr().String()
		case strings.HasPrefix(host, "169.254.") || strings.HasPrefix(host, "fd00:"):
			return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("no route to host")}
		}
		return dial(ctx, network, address)
	}
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

func (w *world) useKeys() {
	w.env["AWS_ACCESS_KEY_ID"], w.env["AWS_SECRET_ACCESS_KEY"] = w.keys.AccessKeyID, w.keys.SecretAccessKey
}

func (w *world) useWebIdentity() {
	w.env["AWS_WEB_IDENTITY_TOKEN_FILE"], w.env["AWS_ROLE_ARN"] = w.write("token", webToken+"\n"), roleARN
}

// write puts a file beneath the home directory.
func (w *world) write(name, content string) string {
	w.t.Helper()
	path := filepath.Join(w.env["HOME"], name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// ask looks host up. Its error, whatever it is, holds no secret.
func (w *world) ask(p auth.Provider, host string) (auth.Credential, error) {
	w.t.Helper()
	c, err := p.Credential(w.t.Context(), auth.Resource{Host: host})
	w.wantNoSecret(err)
	w.wantNoSecret(c)
	return c, err
}

func (w *world) wantNoSecret(v any) {
	w.t.Helper()
	text, _ := json.Marshal(v)
	for _, s := range []string{fmt.Sprintf("%v %+v %#v", v, v, v), string(text)} {
		if strings.Contains(s, canary) {
			w.t.Errorf("a secret is in %s", s)
		}
	}
	err, _ := v.(error)
	if e, ok := errors.AsType[*auth.Error](err); ok {
		for _, cause := range e.Causes {
			w.wantNoSecret(cause)
		}
	}
}

// wantCalls compares the requests since the last look with the ones wanted.
func (w *world) wantCalls(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.calls, want) {
		w.t.Errorf("requests:\n\t%s\nwant:\n\t%s", strings.Join(w.calls, "\n\t"), strings.Join(want, "\n\t"))
	}
	w.calls = nil
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
