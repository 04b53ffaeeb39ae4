package registrytest

import "net/http"

// CatalogOptions are who may list the repositories. The zero value is
// everyone, and all of them.
type CatalogOptions struct {
	// Status answers in place of the list: 401 and 403 where only an
	// administrator may (Harbor, Docker Hub), 404 and 405 where there is none
	// (GitHub, Quay's without search).
	Status int
	// Hidden leaves a repository out, as where a list is limited to what the
	// caller may see. nil: none.
	Hidden func(repository string) bool
}

func (h *handler) listRepositories(w http.ResponseWriter, req *http.Request) {
	if status := h.options.Catalog.Status; status != 0 {
		h.refuse(w, req, status)
		return
	}
	all := []string{}
	for name, err := range h.mem.Repositories(req.Context(), "") {
		if err != nil {
			fail(w, err)
			return
		}
		if hidden := h.options.Catalog.Hidden; hidden == nil || !hidden(name) {
			all = append(all, name)
		}
	}
	if page, ok := h.page(w, req, all); ok {
		h.writeList(w, map[string]any{"repositories": page}, "repositories", page)
	}
}
