package registry

import "net/http"

// failure is a stand-in until the engine's own is there.
func failure(resp *http.Response) error {
	defer drain(resp.Body)
	return readError(resp)
}
