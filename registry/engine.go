package registry

import (
	"errors"
	"net/http"
	"path"
	"strings"

	"github.com/portolan-oci/portolan/auth"
)

// engine is what oras-go sends its requests through: the identity and the
// transport of one repository, which make any registry look conforming.
//
// A request names the repository as it was asked for. Beneath that are, from
// the outside in: attempts (retry.go), places (mirrors.go, endpoint.go), the
// mending of the answer (repair.go), the signature (auth.Signer), redirects (exchange.go), and
// the host's turn, headers and connections (gate.go, transport.go).
type engine struct {
	repo       *Repository
	originOnly bool                 // mirrors are not asked
	seen       func(*http.Response) // each answer; nil: nobody looks
	scopes     []auth.Scope         // in place of the repository's; nil: those
}

// Do implements the Client of oras-go's remote.Repository. A failure that lasts
// comes back as an error, an answer that says no as a response.
func (e engine) Do(req *http.Request) (*http.Response, error) {
	a, err := e.do(req, e.repo.client.newAttempts())
	return a.response, err
}

// answered is a response and where it comes from.
type answered struct {
	response *http.Response
	from     endpoint
}

// do makes a request until it is answered or not worth another attempt.
func (e engine) do(req *http.Request, attempts *attempts) (answered, error) {
	if attempts.about.IsZero() {
		attempts.about = e.repo.ref
	}
	for acted := false; ; {
		a, err := e.anywhere(attempts.mark(req))
		if err == nil {
			if acted && req.Method == http.MethodDelete && a.response.StatusCode == http.StatusNotFound {
				a.response.StatusCode = http.StatusAccepted // an attempt before has done it
			}
			if e.seen != nil {
				e.seen(a.response)
			}
			return a, nil
		}
		if !replayable(req) {
			return answered{}, err
		}
		acted = acted || mayHaveActed(err)
		if err := attempts.again(req.Context(), err); err != nil {
			return answered{}, err
		}
		if req.GetBody != nil {
			req = req.Clone(req.Context())
			if req.Body, err = req.GetBody(); err != nil {
				return answered{}, err
			}
		}
	}
}

// anywhere makes one request at the first place that answers it. What a mirror
// says against it is no answer: the origin has the last word.
func (e engine) anywhere(req *http.Request) (answered, error) {
	for _, mirror := range e.mirrors(req) {
		a, err := e.mirrored(mirror, req)
		if err == nil || req.Context().Err() != nil {
			return a, err
		}
		e.passOver(req, mirror, err)
	}
	return e.answer(e.repo.route.origin, req)
}

// answer makes one request at one place.
func (e engine) answer(ep endpoint, req *http.Request) (answered, error) {
	resp, err := e.try(ep, req)
	if err == nil && (isTransientStatus(resp.StatusCode) || ep.mirror && resp.StatusCode >= 400) {
		err = failure(resp)
	}
	if err != nil {
		return answered{}, err
	}
	e.tell(req, ep, resp)
	return answered{resp, ep}, nil
}

// once makes one attempt at the origin.
func (e engine) once(req *http.Request) (*http.Response, error) {
	return e.try(e.repo.route.origin, req)
}

// try makes one attempt at one endpoint and mends its answer, which is given in
// the names of the request.
func (e engine) try(ep endpoint, req *http.Request) (*http.Response, error) {
	resp, err := e.ask(ep, req)
	misnamed, ok := errors.AsType[*misnamedError](err)
	if !ok {
		return resp, err
	}
	// Either what came was mangled, here or there, or the header is wrong. The
	// registry knows: it has what came under its own digest, or has not.
	get := req.Clone(req.Context())
	get.Method = http.MethodGet
	get.URL.Path = path.Join(path.Dir(get.URL.Path), misnamed.content.String())
	resp, again := e.ask(ep, get)
	if again != nil {
		return nil, err
	}
	drain(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return nil, err
	}
	e.repo.client.gateOf(ep).misnamed()
	e.repo.client.log.WarnContext(req.Context(), "a registry sends wrong digests in its headers: its content counts", "host", ep.host)
	return misnamed.response, nil
}

// ask makes one request, or for a HEAD that is not answered a GET.
func (e engine) ask(ep endpoint, req *http.Request) (*http.Response, error) {
	reference, isManifest := e.object(req, "manifests")
	if !isManifest || req.Method != http.MethodHead {
		return e.send(ep, req)
	}
	if ep.mirror || e.repo.client.gateOf(ep).misnames() {
		return e.headByGet(ep, req) // nothing proves the headers alone
	}
	resp, err := e.send(ep, req)
	if err == nil && unanswered(resp) {
		drain(resp.Body)
		return e.headByGet(ep, req)
	}
	if err == nil {
		err = checkHead(resp, reference)
	}
	return resp, err
}

// object returns what a request for a manifest or a blob of this repository
// names. Repositories may have such words in their own names.
func (e engine) object(req *http.Request, kind string) (name string, ok bool) {
	name, ok = strings.CutPrefix(req.URL.Path, "/v2/"+e.repo.ref.Repository+"/"+kind+"/")
	return name, ok && !strings.Contains(name, "/")
}

// send makes one request and mends its answer.
func (e engine) send(ep endpoint, asked *http.Request) (*http.Response, error) {
	req := e.at(ep, asked)
	req.Header.Set("User-Agent", e.repo.client.userAgent)
	req.Header.Del("Authorization") // oras-go repeats an upload's first one; the signer decides
	exchange := e.repo.client.exchange
	if e.putsTag(asked) {
		exchange = tellImmutable(exchange)
	}
	resp, err := e.repo.client.signer.Do(req, e.hint(ep, req), exchange)
	if err != nil {
		return nil, e.repo.client.orCertificate(req.URL.Host, err)
	}
	if !ep.mirror {
		e.repo.client.learn(e.repo.ref.Host, resp)
	}
	e.homeward(ep, asked, resp)
	return e.repair(asked, resp)
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
func (e engine) headByGet(ep endpoint, head *http.Request) (*http.Response, error) {
	get := head.Clone(head.Context())
	get.Method = http.MethodGet
	resp, err := e.send(ep, get)
	if err != nil {
		return nil, err
	}
	drain(resp.Body)
	resp.Body = http.NoBody
	resp.Request = head
	return resp, nil
}

// hint says whose credential signs a request to an endpoint, and what its token
// must allow.
func (e engine) hint(ep endpoint, req *http.Request) auth.Hint {
	actions := e.repo.actions
	if len(actions) == 0 || ep.mirror {
		actions = []string{ActionPull}
		if !isRead(req) {
			actions = []string{ActionPull, ActionPush}
		}
	}
	scopes := e.scopes
	if scopes == nil {
		scopes = []auth.Scope{auth.RepositoryScope(ep.repository, actions...)}
	}
	if from := e.repo.mounts; from != "" && !ep.mirror {
		scopes = append(scopes, auth.RepositoryScope(from, ActionPull))
	}
	return auth.Hint{Resource: auth.Resource{Host: ep.host, Path: ep.repository}, Scopes: scopes}
}

// replayable tells whether a request can be made again.
func replayable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

func isRead(req *http.Request) bool {
	return req.Method == http.MethodGet || req.Method == http.MethodHead
}
