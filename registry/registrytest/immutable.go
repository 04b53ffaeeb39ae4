package registrytest

import (
	"fmt"
	"net/http"
)

// Immutable is how a registry refuses to move a tag. The same manifest may be
// pushed to its tag again.
type Immutable int

// The forms, each with the registry that has it.
const (
	Mutable           Immutable = iota
	ImmutableHarbor             // 412 PRECONDITION
	ImmutableECR                // 400 TAG_INVALID (buildkit#3776)
	ImmutableHub                // 403 DENIED (docker/hub-feedback#2466); Artifactory and ocimem as well
	ImmutableConflict           // 409, as Quay and others that follow HTTP's own word
)

func (i Immutable) refuse(w http.ResponseWriter, r route) {
	switch i {
	case ImmutableHarbor:
		writeError(w, http.StatusPreconditionFailed, "PRECONDITION",
			fmt.Sprintf("Failed to process request due to '%s:%s' configured as immutable.", r.repository, r.name))
	case ImmutableECR:
		writeError(w, http.StatusBadRequest, "TAG_INVALID",
			fmt.Sprintf("The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the repository is immutable.", r.name, r.repository))
	case ImmutableConflict:
		writeError(w, http.StatusConflict, "TAG_IMMUTABLE", "tag "+r.name+" is immutable")
	default:
		writeError(w, http.StatusForbidden, "DENIED", "requested access to the resource is denied: tag "+r.name+" is immutable and exists")
	}
}
