package registry

import "net/http"

// failure is a stand-in until the engine's own is there.
func failure(resp *http.Response) error {
	defer drain(resp.Body)
	return readError(resp)
}

// once is a stand-in until the engine's own is there.
func (e engine) once(req *http.Request) (*http.Response, error) { return e.send(req) }

// unsigned is a stand-in until the engine's own is there.
func (c *Client) unsigned(req *http.Request) (*http.Response, error) {
	req.Header.Set("User-Agent", c.userAgent)
	return c.exchange(req)
}
