package redact

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A server may repeat in its answer what it was sent, and some do: "invalid
// token eyJ…". So its words are shown without what the request held.

// minEcho is the shortest secret that is looked for, in bytes: a shorter one
// would blot out words.
const minEcho = 4

// Echoes are the spellings of a request's secrets in which an answer may repeat
// them.
func Echoes(req *http.Request) []string {
	if req == nil {
		return nil
	}
	var secrets []string
	for name, values := range req.Header {
		if isHarmless(name) {
			continue
		}
		for _, v := range values {
			secrets = append(secrets, v)
			if _, credential, found := strings.Cut(v, " "); found && strings.HasSuffix(name, "Authorization") {
				secrets = append(secrets, credential)
			}
		}
	}
	if _, password, found := req.BasicAuth(); found {
		secrets = append(secrets, password)
	}
	if req.URL != nil {
		for name, values := range req.URL.Query() {
			if !shown[name] {
				secrets = append(secrets, values...)
			}
		}
	}
	all := Spellings(secrets...)
	if more, ok := req.Context().Value(secretsKey{}).(func() []string); ok {
		all = append(all, more()...)
	}
	return all
}

// Spellings adds to secrets how they look in a URL, quoted, and in base64, and
// leaves out those that are too short to be told from words. Longer ones come
// first.
func Spellings(secrets ...string) []string {
	var all []string
	for _, s := range secrets {
		if len(s) < minEcho {
			continue
		}
		quoted := strconv.Quote(s)
		all = append(all, s, url.QueryEscape(s), url.PathEscape(s), quoted[1:len(quoted)-1], base64.StdEncoding.EncodeToString([]byte(s)))
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(all)
}

// isHarmless tells headers with which HTTP and registries speak of content.
func isHarmless(name string) bool {
	for _, prefix := range []string{"Accept", "Content-", "If-", "Oci-", "Docker-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"Range", "User-Agent", "Cache-Control", "Referer", "Connection", "Transfer-Encoding"}, name)
}

// Hide is text without secrets.
func Hide(text string, secrets []string) string {
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, "REDACTED")
	}
	return text
}

// HideError is err, with a text without secrets. It matches what err does under
// errors.Is and errors.As; nil stays nil.
func HideError(err error, secrets []string) error {
	if err == nil {
		return nil
	}
	whole := err.Error()
	text := Hide(whole, secrets)
	if text == whole {
		return err
	}
	return echo{cause{err}, Text(text, maxCause)}
}

type echo struct {
	cause
	text string
}

func (e echo) Error() string { return e.text }

type secretsKey struct{}

// WithSecrets names secrets that are in the body of a request, where Echoes
// cannot see them.
func WithSecrets(ctx context.Context, spellings []string) context.Context {
	return context.WithValue(ctx, secretsKey{}, func() []string { return spellings })
}
