package registry

import (
	"net/http"
	"strings"

	"github.com/portolan-oci/portolan/auth"
)

// engine is what oras-go sends its requests through: the identity and the
// transport of one repository, which make any registry look conforming.
type engine struct {
	repo *Repository
	seen func(*http.Response) // each answer; nil: nobody looks
	// scopes replace those of the repository, for what needs others.
	scopes []auth.Scope
}

// Do implements the Client of oras-go's remote.Repository.
func (e engine) Do(req *http.Request) (*http.Response, error) {
	resp, err := e.send(req)
	if err == nil && e.seen != nil {
		e.seen(resp)
	}
	reference, isManifest := e.object(req, "manifests")
	if err != nil || req.Method != http.MethodHead || !isManifest {
		return resp, err
	}
	if unanswered(resp) {
		drain(resp.Body)
		return e.headByGet(req)
	}
	return resp, checkHead(resp, reference)
}

// object returns what a request for a manifest or a blob of this repository
// names. Repositories may have such words in their own names.
func (e engine) object(req *http.Request, kind string) (name string, ok bool) {
	name, ok = strings.CutPrefix(req.URL.Path, "/v2/"+e.repo.ref.Repository+"/"+kind+"/")
	return name, ok && !strings.Contains(name, "/")
}

// send makes one request and mends its answer.
func (e engine) send(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", e.repo.client.userAgent)
	req.Header.Del("Authorization") // oras-go repeats an upload's first one; the signer decides
	if u, ok := req.Body.(*upload); ok && u.rewindable() {
		req.GetBody = u.rewind
	}
	resp, err := e.repo.client.signer.Do(req, e.hint(req), e.repo.client.exchange)
	if err != nil {
		return nil, err
	}
	e.repo.client.learn(e.repo.ref.Host, resp)
	return e.repair(resp)
}

// unanswered tells whether a registry left a HEAD for a manifest open: some
// refuse the method, some leave out the digest, which is its whole point
// (the OCI distribution spec 1.1 makes that header optional).
func unanswered(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	case http.StatusOK:
		return resp.Header.Get("Docker-Content-Digest") == "" || resp.ContentLength < 0
	}
	return false
}

// headByGet answers a HEAD with the headers of a GET. A manifest is small.
func (e engine) headByGet(head *http.Request) (*http.Response, error) {
	get := head.Clone(head.Context())
	get.Method = http.MethodGet
	resp, err := e.send(get)
	if err != nil {
		return nil, err
	}
	drain(resp.Body)
	resp.Body = http.NoBody
	resp.Request = head
	return resp, nil
}

// hint says what a request's token must allow.
func (e engine) hint(req *http.Request) auth.Hint {
	actions := e.repo.actions
	if len(actions) == 0 {
		actions = []string{ActionPull}
		if req.Method != http.MethodGet && req.Method != http.MethodHead {
			actions = []string{ActionPull, ActionPush}
		}
	}
	ref := e.repo.ref
	scopes := e.scopes
	if scopes == nil {
		scopes = []auth.Scope{auth.RepositoryScope(ref.Repository, actions...)}
	}
	if from := e.repo.mounts; from != "" {
		scopes = append(scopes, auth.RepositoryScope(from, ActionPull))
	}
	return auth.Hint{Resource: auth.Resource{Host: ref.Host, Path: ref.Repository}, Scopes: scopes}
}
