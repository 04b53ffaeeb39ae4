package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

const (
	pluginAPI = "credentialprovider.kubelet.k8s.io/v1"
	// maxPluginAnswers bounds the answers that are kept; beyond it they are
	// all forgotten.
	maxPluginAnswers = 1024
)

// pluginQuestion is what makes one question another.
type pluginQuestion struct {
	image, host string
	token       [sha256.Size]byte // of the service account; zero without one
}

func newPluginQuestion(r Resource, token Secret) pluginQuestion {
	q := pluginQuestion{image: r.String(), host: r.Host}
	if !token.IsZero() {
		q.token = sha256.Sum256([]byte(token.Reveal()))
	}
	return q
}

// cacheKeyType says for how much an answer holds.
type cacheKeyType string

const (
	cacheByImage    cacheKeyType = "Image"
	cacheByRegistry cacheKeyType = "Registry"
	cacheForAll     cacheKeyType = "Global"
)

// cacheKeyTypes are in the order in which answers are looked for.
var cacheKeyTypes = []cacheKeyType{cacheByImage, cacheByRegistry, cacheForAll}

type pluginKey struct {
	of      cacheKeyType
	subject string // the image or the host
	token   [sha256.Size]byte
}

func (q pluginQuestion) key(of cacheKeyType) pluginKey {
	k := pluginKey{of: of, token: q.token}
	switch of {
	case cacheByImage:
		k.subject = q.image
	case cacheByRegistry:
		k.subject = q.host
	}
	return k
}

// pluginAnswer is a CredentialProviderResponse.
type pluginAnswer struct {
	of       cacheKeyType
	duration *time.Duration // nil: the default
	auth     map[string]pluginEntry
	expires  time.Time // zero: it is not kept
	until    time.Time // from here on the plugin is asked again
}

type pluginEntry struct {
	username string
	password Secret
}

// pluginInput is a CredentialProviderRequest.
func pluginInput(image string, token Secret, annotations map[string]string) io.Reader {
	request := struct {
		APIVersion  string            `json:"apiVersion"`
		Kind        string            `json:"kind"`
		Image       string            `json:"image"`
		Token       string            `json:"serviceAccountToken,omitempty"`
		Annotations map[string]string `json:"serviceAccountAnnotations,omitempty"`
	}{pluginAPI, "CredentialProviderRequest", image, token.Reveal(), annotations}
	var b bytes.Buffer
	json.NewEncoder(&b).Encode(request) // strings always encode
	return &b
}

// parsePluginAnswer reads an answer. Members that it does not know are left
// alone. No error repeats anything of the answer but its kind.
func parsePluginAnswer(data []byte) (*pluginAnswer, error) {
	var response struct {
		APIVersion    string       `json:"apiVersion"`
		Kind          string       `json:"kind"`
		CacheKeyType  cacheKeyType `json:"cacheKeyType"`
		CacheDuration *string      `json:"cacheDuration"`
		Auth          map[string]struct {
			Username string `json:"username"`
			Password string `json:"password"`
		} `json:"auth"`
	}
	if json.Unmarshal(data, &response) != nil {
		return nil, errors.New("it is no JSON object of the expected form")
	}
	if response.APIVersion != pluginAPI || response.Kind != "CredentialProviderResponse" {
		return nil, fmt.Errorf("it is not a CredentialProviderResponse of %s", pluginAPI)
	}
	a := &pluginAnswer{of: response.CacheKeyType, auth: make(map[string]pluginEntry, len(response.Auth))}
	if !slices.Contains(cacheKeyTypes, a.of) {
		return nil, errors.New("its cacheKeyType is none of Image, Registry and Global")
	}
	if response.CacheDuration != nil {
		d, err := time.ParseDuration(*response.CacheDuration)
		if err != nil || d < 0 {
			return nil, errors.New("its cacheDuration is not a duration such as 12h")
		}
		a.duration = &d
	}
	for key, entry := range response.Auth {
		a.auth[key] = pluginEntry{entry.Username, NewSecret(entry.Password)}
	}
	return a, nil
}

// choose takes the best entry for r that can be used. An answer without one
// that matches is "no credential".
func (p *Plugin) choose(a *pluginAnswer, r Resource) (Credential, error) {
	var causes []error
	for _, key := range matchingImages(slices.Collect(maps.Keys(a.auth)), r) {
		entry := a.auth[key]
		c := Credential{Username: entry.username, Password: entry.password, Expires: a.expires, Origin: p.origin(key)}
		err := c.check()
		if err == nil {
			return c, nil
		}
		causes = append(causes, helperError(c.Origin, "its answer cannot be used", err))
	}
	return Credential{}, noCredential(causes)
}

// find returns an answer that is kept for q, still holds, and is good.
func (p *Plugin) find(q pluginQuestion, good func(*pluginAnswer) bool) *pluginAnswer {
	p.mu.Lock()
	var kept []*pluginAnswer
	for _, of := range cacheKeyTypes {
		if a := p.kept[q.key(of)]; a != nil && p.now().Before(a.until) {
			kept = append(kept, a)
		}
	}
	p.mu.Unlock()
	if i := slices.IndexFunc(kept, good); i >= 0 {
		return kept[i]
	}
	return nil
}

// keep remembers the answer to a question that was asked at start. It ends a
// little early, so that what is sent with it arrives in time. What was kept for
// the same question and was not good enough is forgotten.
func (p *Plugin) keep(q pluginQuestion, a *pluginAnswer, start time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, of := range cacheKeyTypes {
		delete(p.kept, q.key(of))
	}
	duration := p.opts.DefaultCacheDuration
	if a.duration != nil {
		duration = *a.duration
	}
	if duration == 0 {
		return
	}
	a.expires = start.Add(duration)
	a.until = a.expires.Add(-min(30*time.Second, duration/5))
	if len(p.kept) >= maxPluginAnswers {
		maps.DeleteFunc(p.kept, func(_ pluginKey, old *pluginAnswer) bool { return !start.Before(old.until) })
	}
	if len(p.kept) >= maxPluginAnswers {
		clear(p.kept)
	}
	p.kept[q.key(a.of)] = a
}
