package registry

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/redact"
)

// maxLearned bounds the hosts of which something is remembered; beyond it all
// is forgotten, and asked or learned again.
const maxLearned = 512

// maxFact bounds a text of a registry in a fact, in bytes.
const maxFact = 200

// experience is what one identity knows of the hosts that it has spoken to.
type experience struct {
	now func() time.Time

	mu    sync.Mutex
	hosts map[string]*Capabilities // by the host of the API
}

func newExperience() *experience {
	return &experience{now: time.Now, hosts: map[string]*Capabilities{}}
}

// edit lets change look at and change what is known of a host. It must not
// block.
func (x *experience) edit(host string, change func(known *Capabilities, now time.Time)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	known := x.hosts[apiHost(host)]
	if known == nil {
		if len(x.hosts) >= maxLearned {
			clear(x.hosts)
		}
		known = &Capabilities{Host: host}
		x.hosts[apiHost(host)] = known
	}
	change(known, x.now())
}

// of returns what is known of a host, for the caller to keep.
func (x *experience) of(host string) (known Capabilities, now time.Time) {
	x.edit(host, func(k *Capabilities, at time.Time) {
		known, now = *k, at
		known.Authentication.Value = slices.Clone(k.Authentication.Value)
		known.Extensions.Value = slices.Clone(k.Extensions.Value)
	})
	known.Host = host
	return known, now
}

// learn takes from an answer of a registry what it shows of it beside what was
// asked for. It reads the status and some headers, and neither the body nor
// anything of what the answer says about content. It is called for every
// answer before that is mended: it must stay cheap. host is that of references.
func (c *Client) learn(host string, resp *http.Response) {
	asked := original(resp.Request)
	kind, object := routeOf(asked.URL.Path)
	own := sameOrigin(asked.URL, resp.Request.URL) // not a storage service's headers
	c.known.edit(host, func(k *Capabilities, now time.Time) {
		if own {
			learnHeaders(k, now, resp.Header)
		}
		switch kind {
		case "manifests":
			learnManifest(k, now, asked, resp, digest.Digest(object).Validate() == nil)
		case "blobs":
			learnBlob(k, now, asked, resp)
		case "uploads":
			learnUpload(k, now, asked, resp)
		case "referrers":
			if resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Type") == ocispec.MediaTypeImageIndex {
				learnedSupport(&k.Referrers, now, true)
			}
		case "tags":
			learnTags(k, now, asked, resp)
		case "_catalog":
			learnCatalog(k, now, resp)
		}
	})
}

// routeOf tells what a path of the API is about, by its end: repositories may
// have the words of the API in their names.
func routeOf(path string) (kind, object string) {
	if path == "/v2/_catalog" {
		return "_catalog", ""
	}
	rest, object := cutLast(path)
	rest, kind = cutLast(rest)
	_, before := cutLast(rest)
	switch {
	case kind == "uploads" && before == "blobs":
		return "uploads", object
	case kind == "tags" && object == "list", kind == "manifests", kind == "blobs", kind == "referrers":
		return kind, object
	}
	return "", ""
}

func cutLast(path string) (before, last string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

func learnHeaders(k *Capabilities, now time.Time, h http.Header) {
	if version := h.Get("Docker-Distribution-Api-Version"); version != "" && !now.Before(k.API.until) {
		k.API.set(now, redact.Text(version, maxFact), SourceLearned, 0, true)
	}
	if server := h.Get("Server"); server != "" && !now.Before(k.Server.until) {
		k.Server.set(now, redact.Text(server, maxFact), SourceLearned, 0, true)
	}
	if now.Before(k.Kind.until) {
		return
	}
	switch {
	case h.Get("X-Jfrog-Version") != "", h.Get("X-Artifactory-Id") != "":
		k.Kind.set(now, "artifactory", SourceLearned, 0, true)
	case strings.Contains(h.Get("Access-Control-Allow-Headers"), "X-ZOT-API-CLIENT"):
		k.Kind.set(now, "zot", SourceLearned, 0, true) // one without extensions has no other sign
	}
}

func learnManifest(k *Capabilities, now time.Time, asked *http.Request, resp *http.Response, byDigest bool) {
	status := resp.StatusCode
	switch asked.Method {
	case http.MethodGet, http.MethodHead:
		switch status {
		case http.StatusOK:
			learnedSupport(&k.ManifestETag, now, resp.Header.Get("ETag") != "")
		case http.StatusNotModified:
			learnedSupport(&k.NotModified, now, true)
		}
	case http.MethodPut:
		conditional := asked.Header.Get("If-Match") != "" || asked.Header.Get("If-None-Match") != ""
		switch {
		case resp.Header.Get("OCI-Subject") != "":
			learnedSupport(&k.Referrers, now, true)
		case status == http.StatusPreconditionFailed && conditional:
			learnedSupport(&k.ConditionalPut, now, true)
		case status == http.StatusPreconditionFailed && !byDigest: // Harbor; what others say, putFailed reads
			learnedSupport(&k.ImmutableTags, now, true)
		}
	case http.MethodDelete:
		if byDigest {
			learnDelete(&k.Delete, now, status)
		} else {
			learnDelete(&k.Untag, now, status)
		}
	}
}

// learnDelete leaves a 405 open: whether it is about all content or about this,
// its body says, see learnRefusedDelete.
func learnDelete(f *Fact[Support], now time.Time, status int) {
	switch status {
	case http.StatusAccepted:
		learnedSupport(f, now, true)
	case http.StatusNotImplemented:
		learnedSupport(f, now, false)
	}
}

func learnBlob(k *Capabilities, now time.Time, asked *http.Request, resp *http.Response) {
	switch {
	case asked.Method == http.MethodDelete:
		learnDelete(&k.Delete, now, resp.StatusCode)
	case asked.Method != http.MethodGet:
	case resp.StatusCode == http.StatusPartialContent:
		learnedSupport(&k.Ranges, now, true)
	case resp.StatusCode == http.StatusOK && asked.Header.Get("Range") != "":
		learnedSupport(&k.Ranges, now, false)
	}
}

func learnUpload(k *Capabilities, now time.Time, asked *http.Request, resp *http.Response) {
	if asked.Method != http.MethodPost {
		return
	}
	if resp.StatusCode == http.StatusCreated && strings.Contains(asked.URL.RawQuery, "mount=") {
		learnedSupport(&k.Mount, now, true)
	}
	if text := resp.Header.Get("OCI-Chunk-Min-Length"); text != "" {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
			learned(&k.ChunkMinimum, now, n, true)
		}
	}
}

func learnTags(k *Capabilities, now time.Time, asked *http.Request, resp *http.Response) {
	link := resp.Header.Values("Link")
	if resp.StatusCode != http.StatusOK || len(link) == 0 {
		return
	}
	next, err := url.Parse(nextLink(link))
	if err != nil || next.String() == "" {
		return
	}
	learnedSupport(&k.TagPaging, now, true)
	if n, err := strconv.Atoi(next.Query().Get("n")); err == nil && n > 0 && !asked.URL.Query().Has("n") {
		learned(&k.TagPageSize, now, n, true)
	}
}

func learnCatalog(k *Capabilities, now time.Time, resp *http.Response) {
	switch {
	case resp.StatusCode == http.StatusOK && !isHTML(resp) && !now.Before(k.Catalog.until):
		k.Catalog.set(now, CatalogListed, SourceLearned, 0, true)
	case absent(resp.StatusCode):
		learned(&k.Catalog, now, CatalogNone, false)
	}
}
