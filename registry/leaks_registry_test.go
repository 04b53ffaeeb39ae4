package registry_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// leakRegistry answers for all hosts of a leakWorld.
type leakRegistry struct {
	*leakWorld
	bearer  bool
	content map[digest.Digest][]byte
	cut     atomic.Bool // the long blob has been broken off
}

func newLeakRegistry(t *testing.T, bearer bool, content ...[]byte) *leakRegistry {
	r := &leakRegistry{leakWorld: newLeakWorld(), bearer: bearer, content: map[digest.Digest][]byte{}}
	for _, data := range content {
		r.content[digest.FromBytes(data)] = data
	}
	r.addProxy(t)
	for name, answer := range map[string]http.HandlerFunc{
		"origin": r.origin, "mirror": r.mirror, "realm": r.realm, "storage": r.storage, "depot": r.depot, "upload": r.upload, "foreign": r.foreign,
	} {
		r.add(t, name, answer)
	}
	return r
}

// signed is an address at a host that proves by itself that one may go there.
func (r *leakRegistry) signed(host, path string) string {
	return r.hosts[host].URL + path + "?X-Amz-Signature=leak-" + host + "-signature"
}

func (r *leakRegistry) origin(w http.ResponseWriter, req *http.Request) {
	_, password, _ := req.BasicAuth()
	token, _ := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer leak-origin-")
	switch {
	case r.bearer && token != "access" && token != "ready":
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+r.hosts["realm"].URL+`/token",service="s"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	case !r.bearer && password != "leak-origin-password":
		w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("Link", "<"+r.signed("foreign", req.URL.Path)+`>; rel="next"`)
	switch {
	case strings.HasPrefix(req.URL.Path, "/v2/team/moved/"), strings.HasPrefix(req.URL.Path, "/charts/"):
		http.Redirect(w, req, r.signed("foreign", req.URL.Path), http.StatusTemporaryRedirect)
	case strings.HasSuffix(req.URL.Path, "/tags/list"):
		io.WriteString(w, `{"name":"team/app","tags":["1"]}`)
	case strings.HasSuffix(req.URL.Path, "/_catalog"):
		io.WriteString(w, `{"repositories":["team/app"]}`)
	case strings.Contains(req.URL.Path, "/referrers/"):
		w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		io.WriteString(w, `{"schemaVersion":2,"manifests":[]}`)
	case req.Method == http.MethodPost:
		w.Header().Set("Location", r.signed("upload", "/bucket/1"))
		w.WriteHeader(http.StatusAccepted)
	case req.Method == http.MethodPut, req.Method == http.MethodDelete:
		w.WriteHeader(map[string]int{http.MethodPut: http.StatusCreated, http.MethodDelete: http.StatusAccepted}[req.Method])
	default:
		r.read(w, req)
	}
}

// read sends manifests, and leads to the storage for blobs.
func (r *leakRegistry) read(w http.ResponseWriter, req *http.Request) {
	d := digest.Digest(path.Base(req.URL.Path))
	if path.Base(req.URL.Path) == "1" {
		for other, data := range r.content {
			if bytes.Contains(data, []byte("schemaVersion")) {
				d = other
			}
		}
	}
	data, ok := r.content[d]
	switch {
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	case strings.Contains(req.URL.Path, "/blobs/"):
		http.Redirect(w, req, r.signed("storage", "/"+d.String()), http.StatusTemporaryRedirect)
	default:
		w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
		w.Header().Set("Docker-Content-Digest", d.String())
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(data))
	}
}

// mirror has its own users, and none of the blobs that are "origin only".
func (r *leakRegistry) mirror(w http.ResponseWriter, req *http.Request) {
	if _, password, _ := req.BasicAuth(); password != "leak-mirror-password" {
		w.Header().Set("WWW-Authenticate", `Basic realm="m"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if bytes.HasPrefix(r.content[digest.Digest(path.Base(req.URL.Path))], []byte("origin only")) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	r.read(w, req)
}

func (r *leakRegistry) realm(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, `{"token":"leak-origin-access","access_token":"leak-origin-access","refresh_token":"leak-origin-identity","expires_in":300}`)
}

func (r *leakRegistry) storage(w http.ResponseWriter, req *http.Request) {
	http.Redirect(w, req, r.signed("depot", req.URL.Path), http.StatusTemporaryRedirect)
}

// depot is where content really lies. It breaks off once.
func (r *leakRegistry) depot(w http.ResponseWriter, req *http.Request) {
	data := r.content[digest.Digest(path.Base(req.URL.Path))]
	if len(data) > 1<<20 && r.cut.CompareAndSwap(false, true) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:1<<19])
		panic(http.ErrAbortHandler)
	}
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(data))
}

func (r *leakRegistry) upload(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusCreated)
}

// foreign wants to know who is there.
func (r *leakRegistry) foreign(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("WWW-Authenticate", `Basic realm="f"`)
	w.WriteHeader(http.StatusUnauthorized)
}
