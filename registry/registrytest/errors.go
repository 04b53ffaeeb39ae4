package registrytest

import (
	"encoding/json"
	"net/http"
)

// codeFor is the error code that goes with a status (OCI distribution spec,
// Error Codes).
func codeFor(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "UNAUTHORIZED"
	case http.StatusForbidden:
		return "DENIED"
	case http.StatusNotFound:
		return "NAME_UNKNOWN"
	case http.StatusTooManyRequests:
		return "TOOMANYREQUESTS"
	case http.StatusRequestEntityTooLarge:
		return "SIZE_INVALID"
	}
	return "UNSUPPORTED"
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	writeDetail(w, status, code, message, nil)
}

func writeDetail(w http.ResponseWriter, status int, code, message string, detail any) {
	type item struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Detail  any    `json:"detail,omitempty"`
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string][]item{"errors": {{code, message, detail}}})
}
