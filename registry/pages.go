package registry

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/portolan-oci/portolan/internal/limit"
)

// maxPage bounds one page: the 200,000 tags at which a listing ends, of 20
// bytes each.
const maxPage = 4 << 20

// PageError tells that a list goes on in a way that cannot be followed. What
// came before it has been handed out already and is not the whole list.
type PageError struct {
	// Next is the address of the page that was not asked for, as it was given,
	// without what could be a secret. Empty: the pages themselves are wrong.
	Next string
	// Problem is what is wrong.
	Problem string
}

func (e *PageError) Error() string {
	if e.Next == "" {
		return e.Problem
	}
	return fmt.Sprintf("next page %q: %s", e.Next, e.Problem)
}

// pages reads a list that comes page by page, as those of tags, repositories
// and referrers do (OCI distribution spec 1.1, Listing Tags).
type pages[T any] struct {
	engine engine
	accept string
	most   int   // pages
	sizes  []int // entries to ask for, one after the other where they are too many; 0: as the registry likes
	decode func(*http.Response) ([]T, error)
	key    func(T) string
}

// each calls use with each page. Where the next one is, the registry says: its
// Link is followed as it is. Without one the list is at its end, unless this
// client had asked for so many entries and got them: then the spec leaves it
// open, and the registry is asked for those after the last one.
func (p pages[T]) each(ctx context.Context, first *url.URL, use func([]T) error) error {
	seen := visited[T]{maphash.MakeSeed(), map[uint64]bool{}, p.key}
	at, size, page, err := p.first(ctx, first)
	guessed := false
	for range p.most {
		repeated := err == nil && !seen.add(at, page.items)
		switch {
		case guessed && (repeated || refusesLast(err)):
			return nil
		case err != nil:
			return err
		case repeated:
			return &PageError{Problem: "the registry repeats a page of the list"}
		}
		if err := use(page.items); err != nil {
			return err
		}
		next, bad := nextPage(at, page.header)
		if bad != nil {
			return bad
		}
		guessed = next == nil && size > 0 && len(page.items) == size
		if guessed {
			next = withQuery(withQuery(first, "n", strconv.Itoa(size)), "last", p.key(page.items[size-1]))
		}
		if next == nil {
			return nil
		}
		at = next
		page, err = p.fetch(ctx, at)
	}
	return &PageError{Problem: fmt.Sprintf("the list has not ended after %d pages", p.most)}
}

// refusesLast tells that a registry takes no last but those of its own Links,
// as quay.io, ECR and Harbor do.
func refusesLast(err error) bool {
	status := statusOf(err)
	return status == http.StatusBadRequest || status == http.StatusNotFound
}

// page is one answer.
type page[T any] struct {
	items  []T
	header http.Header
}

// first asks for the first page, and again for fewer entries where a registry
// does not give so many (distribution refuses more than its maximum with 400,
// quay#2884 with 413).
func (p pages[T]) first(ctx context.Context, u *url.URL) (at *url.URL, size int, got page[T], err error) {
	var refused error
	for _, size = range p.sizes {
		at = u
		if size > 0 {
			at = withQuery(u, "n", strconv.Itoa(size))
		}
		got, err = p.fetch(ctx, at)
		if err == nil || !tooMany(err) {
			return at, size, got, err
		}
		if refused == nil {
			refused = err
		}
	}
	return at, size, got, refused
}

// tooMany tells an answer that may be about the number of entries.
func tooMany(err error) bool {
	e, _ := errors.AsType[*Error](WrapError("", Reference{}, err))
	switch {
	case errors.Is(err, limit.ErrExceeded), e.StatusCode == http.StatusRequestEntityTooLarge:
		return true
	case e.StatusCode == http.StatusBadRequest:
		return !slices.Contains(e.Codes, "NAME_INVALID") && !slices.Contains(e.Codes, "NAME_UNKNOWN")
	}
	return false
}

func statusOf(err error) int {
	if e, ok := errors.AsType[*Error](WrapError("", Reference{}, err)); ok {
		return e.StatusCode
	}
	return 0
}

func (p pages[T]) fetch(ctx context.Context, u *url.URL) (page[T], error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return page[T]{}, err
	}
	req.Header.Set("Accept", p.accept)
	for attempts := p.engine.repo.client.newAttempts(); ; {
		got, err := p.ask(req, attempts)
		if !errors.Is(err, errMangled) {
			return got, err
		}
		if err := attempts.again(ctx, err); err != nil {
			return page[T]{}, err
		}
	}
}

func (p pages[T]) ask(req *http.Request, attempts *attempts) (page[T], error) {
	a, err := p.engine.do(req, attempts)
	if err != nil {
		return page[T]{}, err
	}
	resp := a.response
	if resp.StatusCode >= 400 {
		return page[T]{}, failure(resp)
	}
	defer drain(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return page[T]{}, fmt.Errorf("the registry answers %d", resp.StatusCode)
	}
	items, err := p.decode(resp)
	return page[T]{items, resp.Header}, err
}

// visited remembers addresses and pages by their sums: in a list, neither
// comes twice.
type visited[T any] struct {
	seed maphash.Seed
	sums map[uint64]bool
	key  func(T) string
}

// add tells whether a page and its address are new. Empty pages are all equal.
func (v visited[T]) add(at *url.URL, items []T) bool {
	known := v.sums[v.sum(at.String())]
	v.sums[v.sum(at.String())] = true
	if len(items) == 0 {
		return !known
	}
	var h maphash.Hash
	h.SetSeed(v.seed)
	for _, item := range items {
		h.WriteString(v.key(item))
		h.WriteByte(0)
	}
	known = known || v.sums[h.Sum64()]
	v.sums[h.Sum64()] = true
	return !known
}

func (v visited[T]) sum(s string) uint64 { return maphash.String(v.seed, s) }
