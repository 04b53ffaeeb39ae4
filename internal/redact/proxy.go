package redact

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

var errProxy = errors.New("the proxy's address is not a URL; look at HTTPS_PROXY, HTTP_PROXY, or what is configured in their place")

// Proxy is f with errors that are fit to be shown: those about an address that
// cannot be read repeat it, with the password in it. A nil f is nil.
func Proxy(f func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	if f == nil {
		return nil
	}
	return func(req *http.Request) (*url.URL, error) {
		u, err := f(req)
		var ue *url.Error
		// The second text is that of golang.org/x/net/http/httpproxy, which reads
		// the environment.
		if errors.As(err, &ue) || err != nil && strings.Contains(err.Error(), "invalid proxy address") {
			err = errProxy
		}
		return u, err
	}
}
