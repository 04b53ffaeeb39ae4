package ecr

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go/aws-http-auth/credentials"
)

// What follows is Signature Version 4 as the IAM user guide describes it
// ("Create a signed AWS API request"), written again from there, so that the
// fake does not agree with the library that signs merely since it is the same.

// canonical builds the canonical request for the headers that were signed.
func canonical(r *http.Request, signed []string, body []byte) string {
	var b strings.Builder
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	b.WriteString(r.Method + "\n" + path + "\n")
	var pairs []string
	for name, values := range r.URL.Query() {
		for _, v := range values {
			pairs = append(pairs, awsEscape(name)+"="+awsEscape(v))
		}
	}
	slices.Sort(pairs)
	b.WriteString(strings.Join(pairs, "&") + "\n")
	for _, name := range signed {
		values := slices.Clone(r.Header.Values(name))
		if name == "host" {
			values = []string{r.Host}
		}
		for i, v := range values {
			values[i] = strings.Join(strings.Fields(v), " ")
		}
		b.WriteString(name + ":" + strings.Join(values, ",") + "\n")
	}
	hash := sha256.Sum256(body)
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + hex.EncodeToString(hash[:]))
	return b.String()
}

func awsEscape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// signatureOf signs a canonical request.
func signatureOf(canonicalRequest, stamp, scope, secret string) string {
	hash := sha256.Sum256([]byte(canonicalRequest))
	key := []byte("AWS4" + secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(hash[:])))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// The fake's own signature is that of the published examples: the request of
// the IAM user guide, and two of the SigV4 test suite.
func TestFakeSignsAsPublished(t *testing.T) {
	const secret, stamp = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830T123600Z"
	for name, tc := range map[string]struct {
		method, target, contentType, service, want string
	}{
		"ListUsers":    {"GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", "application/x-www-form-urlencoded; charset=utf-8", "iam", "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
		"get-vanilla":  {"GET", "https://example.amazonaws.com/", "", "service", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		"post-vanilla": {"POST", "https://example.amazonaws.com/", "", "service", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
	} {
		r, err := http.NewRequest(tc.method, tc.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		signed := []string{"host", "x-amz-date"}
		r.Header.Set("X-Amz-Date", stamp)
		if tc.contentType != "" {
			r.Header.Set("Content-Type", tc.contentType)
			signed = append([]string{"content-type"}, signed...)
		}
		if got := signatureOf(canonical(r, signed, nil), stamp, "20150830/us-east-1/"+tc.service+"/aws4_request", secret); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// checkSignature is what AWS does with a request to a service of a region.
func (w *world) checkSignature(r *http.Request, body []byte, service string) *refusal {
	text, found := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !found {
		return jsonError("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	parts := map[string]string{}
	for pair := range strings.SplitSeq(text, ", ") {
		name, value, _ := strings.Cut(pair, "=")
		parts[name] = value
	}
	id, scope, _ := strings.Cut(parts["Credential"], "/")
	signed := strings.Split(parts["SignedHeaders"], ";")
	stamp := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", stamp)
	region := "us-east-1"
	if labels := strings.Split(strings.TrimPrefix(r.Host, "api."), "."); service == "ecr" && len(labels) > 1 && regionName.MatchString(labels[1]) {
		region = labels[1]
	}
	keys, known := w.keysOf(id)
	for name := range r.Header {
		name = strings.ToLower(name)
		if (strings.HasPrefix(name, "x-amz-") || name == "content-type") && !slices.Contains(signed, name) {
			return jsonError("InvalidSignatureException", "'"+name+"' must be a 'SignedHeader' in the AWS Authorization.")
		}
	}
	now := w.clock.Add(w.skew)
	request := canonical(r, signed, body)
	switch {
	case err != nil || !slices.IsSorted(signed) || !slices.Contains(signed, "host") || scope != at.Format("20060102")+"/"+region+"/"+service+"/aws4_request":
		return jsonError("InvalidSignatureException", "Credential should be scoped to a valid region.")
	case at.Before(now.Add(-5 * time.Minute)):
		return jsonError("InvalidSignatureException", "Signature expired: "+stamp+" is now earlier than "+now.String())
	case at.After(now.Add(5 * time.Minute)):
		return jsonError("InvalidSignatureException", "Signature not yet current: "+stamp+" is still later than "+now.String())
	case !known || r.Header.Get("X-Amz-Security-Token") != keys.SessionToken:
		return jsonError("UnrecognizedClientException", "The security token included in the request is invalid.")
	case signatureOf(request, stamp, scope, keys.SecretAccessKey) != parts["Signature"]:
		return jsonError("InvalidSignatureException", "The Canonical String for this request should have been\n'"+request+"'")
	case !keys.Expires.IsZero() && !keys.Expires.After(now):
		return jsonError("ExpiredTokenException", "The security token included in the request is expired")
	}
	return nil
}

func (w *world) keysOf(id string) (credentials.Credentials, bool) {
	if id == w.keys.AccessKeyID {
		return w.keys, true
	}
	k, known := w.sessions[id]
	return k, known
}
