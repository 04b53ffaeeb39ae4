package registry

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/internal/redact"
)

// Capabilities answers what the registry of ref can do, for this identity. A
// ref without a repository, {Host: "ghcr.io"}, is good; one with a repository
// answers for referrers and tag paging too, and one with a tag or a digest for
// ETags. Nothing is written to find it out.
//
// What is known already is not asked for again: for 24 hours if it says that
// the registry does something, for one hour otherwise. The rest costs one GET
// each for the base of the API, its extensions and the catalog, one each for
// referrers and tags of the repository, and two HEADs for the manifest, beside
// what authentication costs. A client that With derives knows nothing yet.
//
// A fact that cannot be found out is unknown, not an error, and so is one that
// this identity may not see (401, 403). Errors are for a host that gives no
// answer as a registry does: ErrUnavailable, ErrRateLimited; for a malformed
// host, ErrInvalidReference; and the context's.
func (c *Client) Capabilities(ctx context.Context, ref Reference) (Capabilities, error) {
	const op = "find capabilities"
	e, err := c.hostEngine(op, ref.Host, "")
	if err != nil {
		return Capabilities{}, err
	}
	p := &prober{client: c, engine: e, ref: ref}
	if ref.Repository != "" {
		repo, err := c.Repository(ref)
		if err != nil {
			return Capabilities{}, err
		}
		p.repo = repo
	}
	for _, probe := range []func(context.Context, Capabilities, time.Time) error{
		p.base, p.extensions, p.catalog, p.referrers, p.tags, p.manifest,
	} {
		known, now := c.known.of(e.repo.ref.Host)
		if err := probe(ctx, known, now); err != nil {
			return Capabilities{}, withURL(WrapError(op, Reference{}, err), e.baseURL())
		}
	}
	known, _ := c.known.of(e.repo.ref.Host)
	known.Requests = p.requests
	return known, nil
}

// prober asks what is not known yet.
type prober struct {
	client   *Client
	engine   engine // of the host
	ref      Reference
	repo     *Repository // nil: none was named
	requests int
}

// ask makes one request. Its answer is the caller's to close. One that says
// nothing but that another time is better is an error.
func (p *prober) ask(ctx context.Context, send func(*http.Request) (*http.Response, error), method string, u *url.URL, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	p.requests++
	resp, err := send(req)
	if err == nil && (resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500) && resp.StatusCode != http.StatusNotImplemented {
		return nil, failure(resp)
	}
	return resp, err
}

func (p *prober) know(change func(*Capabilities, time.Time)) {
	p.client.known.edit(p.engine.repo.ref.Host, change)
}

// base asks as nobody: only so does a registry say how it asks who is there.
func (p *prober) base(ctx context.Context, known Capabilities, now time.Time) error {
	if known.Authentication.fresh(now, "") {
		return nil
	}
	asNobody := func(req *http.Request) (*http.Response, error) {
		req = p.engine.at(p.engine.repo.route.origin, req)
		req.Header.Set("User-Agent", p.client.userAgent)
		return p.client.exchange(req)
	}
	resp, err := p.ask(ctx, asNobody, http.MethodGet, p.engine.baseURL(), nil)
	if err != nil {
		return err
	}
	defer drain(resp.Body)
	switch {
	case isHTML(resp) && resp.StatusCode < 400:
		return errNotRegistry
	case resp.StatusCode == http.StatusBadRequest && resp.Request.URL.Scheme == "http" && speaksTLS(resp):
		return errTLSExpected
	}
	p.know(func(k *Capabilities, now time.Time) {
		challenges := challengesOf(resp.Header)
		answers := resp.StatusCode == http.StatusOK || len(challenges) > 0
		if !answers {
			challenges = nil
		}
		k.Authentication.set(now, challenges, SourceProbe, 1, answers)
		version := redact.Text(resp.Header.Get("Docker-Distribution-Api-Version"), maxFact)
		k.API.set(now, version, SourceProbe, 1, version != "")
		server := redact.Text(resp.Header.Get("Server"), maxFact)
		k.Server.set(now, server, SourceProbe, 1, server != "")
		learnHeaders(k, now, resp.Header)
		learnKind(k, now)
	})
	return nil
}

func challengesOf(h http.Header) []Challenge {
	list := []Challenge{}
	for _, c := range auth.Challenges(h) {
		list = append(list, Challenge{Scheme: redact.Text(c.Scheme, maxFact), Realm: redact.Text(c.Realm, maxFact), Service: redact.Text(c.Service, maxFact)})
	}
	return list
}

func (p *prober) catalog(ctx context.Context, known Capabilities, now time.Time) error {
	if known.Catalog.fresh(now, "") {
		p.know(refineCatalog)
		return nil
	}
	e, err := p.client.hostEngine("", p.ref.Host, catalogScope)
	if err != nil {
		return err
	}
	u := e.baseURL()
	u.Path += "_catalog"
	u.RawQuery = "n=1"
	resp, err := p.ask(ctx, e.once, http.MethodGet, u, nil)
	if errors.Is(err, ErrDenied) {
		p.know(func(k *Capabilities, now time.Time) { k.Catalog.set(now, CatalogAdmin, SourceProbe, 1, false) })
		return nil
	}
	if err != nil {
		if err = unknown(ctx, p, err, "", func(k *Capabilities) *Fact[CatalogAccess] { return &k.Catalog }); err == nil {
			p.know(refineCatalog)
		}
		return err
	}
	defer drain(resp.Body)
	access := CatalogUnknown
	switch {
	case absent(resp.StatusCode):
		access = CatalogNone
	case resp.StatusCode == http.StatusOK:
		if _, err := decodeNames(resp.Body, "repositories"); err == nil {
			access = CatalogListed
		}
	}
	p.know(func(k *Capabilities, now time.Time) {
		k.Catalog.set(now, access, SourceProbe, 1, access == CatalogListed)
		refineCatalog(k, now)
	})
	return nil
}

// foundOut sets what a probe has shown. That it has shown nothing is known of
// its repository alone.
func foundOut(f *Fact[Support], now time.Time, value Support, repository string) {
	f.set(now, value, SourceProbe, 1, value == Supported)
	if value == Unknown {
		f.about = repository
	}
}

// unknown notes that a question was not answered to this identity, and returns
// the errors that end all questions.
func unknown[T any](ctx context.Context, p *prober, err error, repository string, fact func(*Capabilities) *Fact[T]) error {
	switch {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, ErrUnauthorized), errors.Is(err, ErrDenied), errors.Is(err, errNotRegistry):
		p.know(func(k *Capabilities, now time.Time) {
			var none T
			fact(k).set(now, none, SourceProbe, 1, false)
			fact(k).about = repository
		})
		return nil
	}
	// Another time it may be answered.
	return nil
}
