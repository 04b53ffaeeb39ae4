package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/internal/limit"
)

// Bounds of a catalog: the largest registries that give theirs out have some
// 100,000 repositories.
const (
	maxCatalogPages = 10_000
	maxRepositories = 1_000_000
)

// catalogPageSizes begin with distribution's default. It refuses more than its
// own maximum, which may be less (PAGINATION_NUMBER_INVALID). What takes none
// of these numbers is asked without one.
var catalogPageSizes = []int{100, 50, 25, 0}

// catalogScope is the right to list repositories (distribution, Token Scope
// Documentation).
const catalogScope = "registry:catalog:*"

// Repositories iterates over the names of the repositories at host, which is
// written as in references, in the registry's order: all that it has, or those
// that this identity may see, as the registry thinks fit. One GET a page, of
// 100 names where the registry does not choose otherwise. Names that no
// reference can hold are left out. The sequence may be used again: it lists
// anew.
//
// An error is yielded once and ends it. The catalog is no part of the OCI
// distribution spec, and most hosted registries have none: that is
// ErrUnsupported. ErrUnauthorized and ErrDenied are for those who may not list
// it, which says nothing of others. A malformed host is ErrInvalidReference; a
// list that goes on at another host, or does not come to its end, is a
// *PageError; more than a million names are an error.
func (c *Client) Repositories(ctx context.Context, host string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		err := c.catalog(ctx, host, func(name string) error {
			if !yield(name, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && err != errStop {
			yield("", err)
		}
	}
}

func (c *Client) catalog(ctx context.Context, host string, use func(name string) error) error {
	const op = "list repositories"
	e, err := c.hostEngine(op, host, catalogScope)
	if err != nil {
		return err
	}
	u := e.baseURL()
	u.Path += "_catalog"
	total := 0
	err = names(e, "repositories", maxCatalogPages, catalogPageSizes).each(ctx, u, func(list []string) error {
		if total += len(list); total > maxRepositories {
			return fmt.Errorf("%w of %d repositories", limit.ErrExceeded, maxRepositories)
		}
		for _, name := range list {
			if ref, err := ParseReference(e.repo.ref.Host + "/" + name); err != nil || ref.Repository != name {
				c.log.DebugContext(ctx, "left out of the list of repositories", "host", e.repo.ref.Host, "name", name)
				continue
			}
			if err := use(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil || err == errStop {
		return err
	}
	return noCatalog(withURL(WrapError(op, Reference{}, err), u))
}

// noCatalog tells a registry without a catalog from one whose catalog is kept
// from this identity.
func noCatalog(err error) error {
	e, ok := errors.AsType[*Error](err)
	if ok && absent(e.StatusCode) {
		e.Kind, e.Hint = ErrUnsupported, "this registry does not list its repositories: name them"
	}
	return err
}

// absent tells the statuses of an endpoint that is not there. 401 and 403 are
// none of them.
func absent(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusNotImplemented:
		return true
	}
	return false
}

// baseURL is where the API begins.
func (e engine) baseURL() *url.URL {
	return e.repo.client.apiURL(e.repo.ref.Host, e.repo.route.origin.plainHTTP)
}

// hostEngine is an engine for what belongs to no repository; scope is what it
// needs, and may be empty.
func (c *Client) hostEngine(op, host, scope string) (engine, error) {
	ref, err := ParseReference(host + "/x")
	if err != nil || ref.Repository != "x" {
		return engine{}, &Error{Op: op, Kind: ErrInvalidReference,
			Err: &ReferenceError{Reference: host, Problem: "no registry host", Hint: "write host or host:port, as in ghcr.io"}}
	}
	ref = Reference{Host: ref.Host}
	at, err := c.route(ref)
	if err != nil {
		return engine{}, WrapError("configure", ref, err)
	}
	e := engine{repo: &Repository{client: c, ref: ref, route: at}, scopes: []auth.Scope{}}
	if s, err := auth.ParseScope(scope); err == nil {
		e.scopes = append(e.scopes, s)
	}
	return e, nil
}
