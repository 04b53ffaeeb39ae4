package ecr

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/aws/smithy-go/aws-http-auth/sigv4"
	v4 "github.com/aws/smithy-go/aws-http-auth/v4"

	"github.com/portolan-oci/portolan/auth"
)

const (
	// maxLife is how long ECR's tokens are valid (Amazon ECR API reference,
	// AuthorizationData).
	maxLife = 12 * time.Hour
	// tokenUser is that of every token; it is a constant of the service.
	tokenUser = "AWS"

	privateTarget = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
	publicTarget  = "SpencerFrontendService.GetAuthorizationToken"
)

// token asks ECR for a token (GetAuthorizationToken, AWS JSON protocol 1.1).
func (p *provider) token(ctx context.Context, r auth.Resource, reg registry, who identity) (auth.Credential, error) {
	endpoint, err := p.ecrEndpoint(reg)
	if err != nil {
		return auth.Credential{}, err
	}
	target, service, body := privateTarget, "ecr", []byte(`{"registryIds":["`+reg.account+`"]}`)
	if reg.public {
		target, service, body = publicTarget, "ecr-public", []byte(`{}`)
	}
	signer, hash := sigv4.New(func(o *v4.SignerOptions) { o.HeaderRules = signedHeaders{} }), sha256.Sum256(body)
	asked := p.now()
	ask := call(func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
		req.Header.Set("X-Amz-Target", target)
		return req, signer.SignRequest(&sigv4.SignRequestInput{
			Request: req, PayloadHash: hash[:], Credentials: who.keys, Service: service, Region: reg.region, Time: p.now(),
		})
	})
	answer, err := ask.do(ctx, p.aws())
	if err != nil {
		return auth.Credential{}, failed(ctx, "asking Amazon ECR for a token failed", origin(who.from, ""), err)
	}
	if answer.status != http.StatusOK {
		return auth.Credential{}, p.refused(answer, "Amazon ECR gave no token", origin(who.from, ""), tokenHint(reg))
	}
	password, expires, err := parseToken(answer.body, reg.public, asked)
	if err != nil {
		return auth.Credential{}, failed(ctx, "Amazon ECR's answer is not a token", origin(who.from, ""), err)
	}
	return auth.Credential{
		Username: tokenUser, Password: auth.NewSecret(password), Expires: expires, Origin: origin(who.from, r.Host),
	}, nil
}

// signedHeaders signs what AWS wants signed: a Content-Type too, where there
// is one (IAM user guide, "Create a signed AWS API request").
type signedHeaders struct{}

// IsSigned implements v4.SignedHeaderRules.
func (signedHeaders) IsSigned(name string) bool {
	return name == "host" || name == "content-type" || strings.HasPrefix(name, "x-amz-")
}

func tokenHint(reg registry) string {
	if reg.public {
		return "allow the identity ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken"
	}
	return "allow the identity ecr:GetAuthorizationToken"
}

// parseToken reads the answer of GetAuthorizationToken to a request of the
// time asked. The end that it gives lies within (asked, asked + 12 h]; one that
// is not told is 12 h. The error says nothing of the content.
func parseToken(data []byte, public bool, asked time.Time) (password string, expires time.Time, err error) {
	type authorization struct {
		AuthorizationToken string      `json:"authorizationToken"`
		ExpiresAt          json.Number `json:"expiresAt"`
	}
	var a authorization
	if public {
		var answer struct {
			AuthorizationData authorization `json:"authorizationData"`
		}
		err = json.Unmarshal(data, &answer)
		a = answer.AuthorizationData
	} else {
		var answer struct {
			AuthorizationData []authorization `json:"authorizationData"`
		}
		err = json.Unmarshal(data, &answer)
		// One registry was asked for, so there is one entry.
		if len(answer.AuthorizationData) > 0 {
			a = answer.AuthorizationData[0]
		}
	}
	if err != nil {
		return "", time.Time{}, errors.New("it is not the JSON of one")
	}
	plain, err := base64.StdEncoding.DecodeString(a.AuthorizationToken)
	if err != nil {
		return "", time.Time{}, errors.New("its token is not base64")
	}
	user, password, found := strings.Cut(string(plain), ":")
	if !found || user != tokenUser || password == "" || strings.ContainsFunc(password, unicode.IsControl) {
		return "", time.Time{}, errors.New("its token is not a password for the user " + tokenUser)
	}
	expires, err = parseEnd(string(a.ExpiresAt), asked)
	return password, expires, err
}

// parseEnd reads seconds since 1970 with a fraction, as the JSON protocol
// spells times, some servers with an exponent.
func parseEnd(text string, asked time.Time) (time.Time, error) {
	latest := asked.Add(maxLife)
	if text == "" {
		return latest, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) {
		return time.Time{}, errors.New("its end is not a time")
	}
	if seconds >= float64(latest.Unix()) {
		return latest, nil
	}
	end := time.UnixMilli(int64(math.Max(seconds, 0) * 1000))
	if !end.After(asked) {
		return time.Time{}, errors.New("its token has already ended; check this machine's clock")
	}
	return end, nil
}
