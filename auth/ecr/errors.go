package ecr

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// maxSkew is what may lie between this machine's clock and AWS's. AWS refuses
// signatures that are 5 min off; its Date header has whole seconds, and takes a
// while to arrive.
const maxSkew = 4 * time.Minute

// refused makes an error of a failure; denied is what to do where it is for
// want of a permission. Of what AWS says only its code is
// shown: with SignatureDoesNotMatch comes the request as AWS has signed it,
// session token included.
func (p *provider) refused(a answer, what string, from auth.Origin, denied string) error {
	e := &auth.Error{Stage: auth.StageToken, StatusCode: a.status, Origin: from, Message: what}
	if a.status != http.StatusOK {
		e.Message += ": " + statusText(a.status)
	}
	if a.code != "" {
		e.Codes = []string{a.code}
	}
	e.Hint, e.Err = verdict(a.code, denied)
	if e.Err == nil && a.code == "" && (a.status == http.StatusUnauthorized || a.status == http.StatusForbidden) {
		e.Err, e.Hint = auth.ErrDenied, denied
	}
	if a.status >= 300 && a.status < 400 {
		e.Hint = "it redirects, which AWS does not do; check what stands between this machine and AWS"
	}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil && errors.Is(e.Err, auth.ErrUnauthorized) {
		if off := p.now().Sub(date); off.Abs() > maxSkew {
			side := "ahead of"
			if off < 0 {
				side = "behind"
			}
			e.Hint = fmt.Sprintf("this machine's clock is %s %s AWS's: set it right", off.Abs().Round(time.Minute), side)
		}
	}
	return e
}

// verdict says what a code means and what can be done about it.
func verdict(code, denied string) (hint string, sentinel error) {
	switch code {
	case "AccessDenied", "AccessDeniedException", "NotAuthorized", "AssumeRoleUnauthorizedAccess":
		return denied, auth.ErrDenied
	case "OptInRequired", "RegionDisabledException", "SubscriptionRequiredException":
		return "the account has not enabled this region", auth.ErrDenied
	case "ExpiredToken", "ExpiredTokenException":
		return "the session has ended: get new keys, or a new web identity token", auth.ErrUnauthorized
	case "UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "MissingAuthenticationToken", "MissingAuthenticationTokenException":
		return "AWS does not know the access key, or not in this region's partition", auth.ErrUnauthorized
	case "InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException":
		return "the secret access key does not belong to the access key id", auth.ErrUnauthorized
	case "RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture":
		return "this machine's clock is wrong: set it right", auth.ErrUnauthorized
	case "InvalidIdentityToken", "InvalidIdentityTokenException", "IDPRejectedClaim":
		return "AWS does not accept the web identity token: check the OIDC provider in IAM and the token's audience", auth.ErrUnauthorized
	}
	return "", nil
}

// failed is an error without an answer, or with one that cannot be read.
func failed(ctx context.Context, what string, from auth.Origin, err error) error {
	if _, told := errors.AsType[*auth.Error](err); told {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &auth.Error{Stage: auth.StageToken, Origin: from, Message: what, Causes: []error{err}}
}

// misconfigured is an error in the environment or in a file.
func misconfigured(where, what, hint string) error {
	return &auth.Error{Stage: auth.StageConfig, Origin: origin(where, ""), Message: what, Hint: hint, Err: auth.ErrConfigInvalid}
}

// withoutURL takes the URL away from an error of net/http: those of container
// endpoints are the platform's to keep. A proxy's address may hold a password.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	if strings.Contains(err.Error(), "@") {
		return errors.New("the connection failed; the reason is withheld, since it may name a password")
	}
	return err
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// isTLS tells that the peer is not whom it should be, which no other attempt
// changes.
func isTLS(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// isDial tells that there was nobody to talk to.
func isDial(err error) bool {
	oe, ok := errors.AsType[*net.OpError](err)
	return ok && oe.Op == "dial"
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, strings.ToLower(http.StatusText(status))))
}

// errorCode is what AWS's codes are made of; anything else is not shown.
var errorCode = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9.]{0,63}$`)

// failureCode finds AWS's code in a failure: in a header or in the JSON of the
// AWS JSON protocol ("__type" with a namespace before #, and an address after a
// colon), in that of the credential endpoints, or in the XML of the Query
// protocol. Empty: there is none.
func failureCode(h http.Header, body []byte) string {
	var j struct {
		Type string `json:"__type"`
		Code string `json:"code"` // also Code
	}
	var x struct {
		Code string `xml:"Error>Code"`
	}
	candidates := []string{h.Get("X-Amzn-Errortype")}
	if json.Unmarshal(body, &j) == nil {
		candidates = append(candidates, j.Type, j.Code)
	} else if xml.Unmarshal(body, &x) == nil {
		candidates = append(candidates, x.Code)
	}
	for _, c := range candidates {
		c, _, _ = strings.Cut(c, ":")
		c = c[strings.LastIndexByte(c, '#')+1:]
		if errorCode.MatchString(c) {
			return c
		}
	}
	return ""
}
