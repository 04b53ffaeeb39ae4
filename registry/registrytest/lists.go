package registrytest

import (
	"cmp"
	"encoding/json"
	"hash/fnv"
	"net/http"
	"slices"
	"strconv"
)

// ListOptions are what lists of tags and repositories are like. The zero value
// is a sorted list in pages (OCI distribution spec 1.1, Listing Tags).
type ListOptions struct {
	// Link is the form of the link to the next page.
	Link Link
	// Null gives an empty list as null (quay#2884; older distribution).
	Null bool
	// Unsorted gives tags in an order of its own, the same each time, as
	// Docker Hub and Artifactory do.
	Unsorted bool
	// LastMustExist answers 404 to a last that is no tag, as zot does.
	LastMustExist bool
	// NoPaging gives everything at once, whatever was asked for.
	NoPaging bool
	// EmptyLastPage gives a link with the last page too, to one without tags,
	// as registries do that look only whether a page is full.
	EmptyLastPage bool
	// MaxN refuses a larger n, with MaxNStatus: 400 and
	// PAGINATION_NUMBER_INVALID, as distribution does, or 413. Amazon ECR and
	// Quay refuse more than 1000 and 100. Zero: none is too large.
	MaxN       int
	MaxNStatus int // zero: 400
}

func (h *handler) listTags(w http.ResponseWriter, req *http.Request, r route) {
	tags, err := h.allTags(req, r.repository)
	if err != nil {
		fail(w, err)
		return
	}
	if page, ok := h.page(w, req, tags); ok {
		h.writeList(w, map[string]any{"name": r.repository, "tags": page}, "tags", page)
	}
}

// allTags keeps the sorted list: sorting 100,000 tags for each of their pages
// takes longer than all the rest.
func (h *handler) allTags(req *http.Request, repository string) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if tags, ok := h.tags[repository]; ok {
		return tags, nil
	}
	tags := []string{}
	for tag, err := range h.mem.Tags(req.Context(), repository, "") {
		if err != nil {
			return nil, err
		}
		tags = append(tags, tag)
	}
	if h.options.Lists.Unsorted {
		slices.SortFunc(tags, func(a, b string) int { return cmp.Compare(scatter(a), scatter(b)) })
	}
	h.tags[repository] = tags
	return tags, nil
}

// scatter is a number without any order.
func scatter(s string) uint32 {
	f := fnv.New32a()
	f.Write([]byte(s))
	return f.Sum32()
}

// written forgets what was known of a repository's list.
func (h *handler) written(repository string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.tags, repository)
}

// page cuts out what was asked for and links to what follows. False: it has
// answered with an error.
func (h *handler) page(w http.ResponseWriter, req *http.Request, all []string) ([]string, bool) {
	o := h.options.Lists
	if o.NoPaging {
		return all, true
	}
	size := h.options.PageSize
	if n := req.URL.Query().Get("n"); n != "" {
		asked, err := strconv.Atoi(n)
		if err != nil || asked < 0 || (o.MaxN > 0 && asked > o.MaxN) {
			status := o.MaxNStatus
			if status == 0 || err != nil || asked < 0 {
				status = http.StatusBadRequest
			}
			writeError(w, status, "PAGINATION_NUMBER_INVALID", "invalid number of results requested")
			return nil, false
		}
		if asked == 0 {
			return []string{}, true
		}
		if size == 0 || asked < size {
			size = asked
		}
	}
	if o.MaxN > 0 && (size == 0 || size > o.MaxN) {
		size = o.MaxN
	}
	start, ok := h.after(req, all)
	if !ok {
		writeError(w, http.StatusNotFound, "TAG_UNKNOWN", "last is no tag")
		return nil, false
	}
	page := all[start:]
	if size > 0 && len(page) > size {
		page = page[:size]
	}
	if more := start+len(page) < len(all); len(page) > 0 && (more || o.EmptyLastPage) || o.Link == LinkEndless {
		h.link(w, req, page)
	}
	return page, true
}

// after is where the page begins.
func (h *handler) after(req *http.Request, all []string) (int, bool) {
	last := lastOf(req)
	if last == "" {
		return 0, true
	}
	if i := slices.Index(all, last); i >= 0 {
		return i + 1, true
	}
	if h.options.Lists.LastMustExist || h.options.Lists.Unsorted {
		return 0, false
	}
	i, _ := slices.BinarySearch(all, last)
	return i, true
}

func (h *handler) writeList(w http.ResponseWriter, list map[string]any, name string, page []string) {
	if len(page) == 0 {
		list[name] = []string{}
		if h.options.Lists.Null {
			list[name] = nil
		}
	}
	content, err := json.Marshal(list)
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.Write(content)
}
