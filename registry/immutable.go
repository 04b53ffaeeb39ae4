package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// hintImmutable is what to do about a tag that may not move.
const hintImmutable = "the registry keeps this tag as it is: use another tag or version, or change the rule there"

// immutablePattern is how registries say that a tag may not move. No two agree
// on status and code, so their words decide:
//
//	Harbor             412 PRECONDITION      configured as immutable (goharbor/harbor, immutable.ErrImmutable)
//	Amazon ECR         400 TAG_INVALID       cannot be overwritten because the repository is immutable (buildkit#3776), the tag (kaniko#204)
//	Google             400 MANIFEST_INVALID  The repository has enabled tag immutability (Artifact Registry, troubleshooting)
//	Docker Hub         403 DENIED            cannot be updated due to immutability settings
//	Mirantis           UNKNOWN               cannot be overwritten because … is an immutable repository (MSR, Prevent tags from being overwritten)
//	Alibaba Cloud      –                     The requested tag already exists and cannot be overwritten (Container Registry, immutable image version)
//	GitLab             403 DENIED            Tag is immutable (Immutable container tags)
//	Sonatype Nexus     400                   Repository does not allow updating assets (write policy ALLOW_ONCE); 409 … redeploy is not allowed
//
// Azure's answer for a tag that is locked is the same as for a repository that
// is (405 UNSUPPORTED), and is left what it is.
var immutablePattern = regexp.MustCompile(`(?i)\bimmutab(?:le|ility)\b|cannot be overwritten|ImageTagAlreadyExists|not allow updating assets|redeploy is not allowed`)

// immutableStatuses are those under which it is said.
var immutableStatuses = []int{http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusPreconditionFailed}

// refusesTag tells whether an answer to the PUT of a manifest under a tag is
// that the tag may not move.
func refusesTag(status int, errs errcode.Errors) bool {
	if status == http.StatusPreconditionFailed {
		return true // the request had no other precondition
	}
	return slices.Contains(immutableStatuses, status) && slices.ContainsFunc(errs, func(e errcode.Error) bool {
		return immutablePattern.MatchString(e.Code) || immutablePattern.MatchString(e.Message)
	})
}

// putsTag tells whether a request puts a manifest under a tag.
func (e engine) putsTag(req *http.Request) bool {
	object, ok := e.object(req, "manifests")
	return ok && req.Method == http.MethodPut && digest.Digest(object).Validate() != nil
}

// tellImmutable makes a 403 that is about a tag a 412: a 403 ends in an error
// about the caller's rights, of which the registry's words are no part.
func tellImmutable(send func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		resp, err := send(req)
		if err != nil || resp.StatusCode != http.StatusForbidden {
			return resp, err
		}
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // what came of it counts
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), resp.Body), resp.Body}
		var answer struct{ Errors errcode.Errors }
		if json.Unmarshal(body, &answer) == nil && refusesTag(resp.StatusCode, answer.Errors) {
			resp.StatusCode, resp.Status = http.StatusPreconditionFailed, "412 Precondition Failed"
		}
		return resp, nil
	}
}

// putFailed makes the error of a manifest's PUT. It is nil if a tag that may
// not move names that very manifest: then the answer to a first PUT got lost.
func (r *Repository) putFailed(ctx context.Context, op string, ref Reference, want digest.Digest, err error) error {
	resp, ok := errors.AsType[*errcode.ErrorResponse](err)
	err = WrapError(op, ref, err)
	e, also := errors.AsType[*Error](err)
	if !ok || !also || resp.Method != http.MethodPut {
		return err
	}
	told := *e
	if resp.StatusCode < 400 {
		told.Kind, told.Err = ErrUnavailable, fmt.Errorf("%w: %d to PUT of a manifest", errOddAnswer, resp.StatusCode)
		return &told
	}
	if ref.Tag != "" && refusesTag(resp.StatusCode, resp.Errors) {
		if there, err := r.remote.Resolve(ctx, ref.Tag); err == nil && there.Digest == want {
			return nil
		}
		r.client.known.edit(r.ref.Host, func(k *Capabilities, now time.Time) { learnedSupport(&k.ImmutableTags, now, true) })
		told.Kind, told.Hint = ErrExists, hintImmutable
		return &told
	}
	if missing, ok := missing(resp); ok {
		told.Err = &MissingError{Digests: missing, Err: e.Err}
		return &told
	}
	return err
}
