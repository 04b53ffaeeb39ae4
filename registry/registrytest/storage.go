package registrytest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Storage is the object storage behind a registry: another host, to which
// blobs are redirected and uploads sent by signed URLs. It refuses a request
// without a right signature with 403, and one that brings an Authorization
// header besides with 400, as Amazon S3 does. Whatever else comes here, such
// as the link of LinkForeign, is written down and answered with 403.
type Storage struct {
	// URL is the base; Host is the host with its port.
	URL, Host string

	server *Server
	http   *httptest.Server
	key    [32]byte
	log    ledger
}

const signatureParameter = "X-Amz-Signature"

func newStorage(s *Server) *Storage {
	storage := &Storage{server: s}
	rand.Read(storage.key[:])
	storage.http = s.listen(http.HandlerFunc(storage.serve), nil)
	storage.URL = storage.http.URL
	_, storage.Host, _ = strings.Cut(storage.URL, "://")
	return storage
}

// Requests returns what came to the storage since the start or the last Reset
// of the server.
func (s *Storage) Requests() []Request { return s.log.requests() }

// Stored matches requests to the storage, for Faults.Match.
func Stored(req *http.Request) bool { return objects.MatchString(req.URL.Path) }

var objects = regexp.MustCompile(`^/(blob|upload)/(.+)/([^/]+)$`)

// sign is the URL that gives access to a path.
func (s *Storage) sign(path string) string {
	query := url.Values{signatureParameter: {s.signature(path)}, "X-Amz-Expires": {"900"}}
	return s.URL + path + "?" + query.Encode()
}

func (s *Storage) signature(path string) string {
	mac := hmac.New(sha256.New, s.key[:])
	mac.Write([]byte(path))
	return hex.EncodeToString(mac.Sum(nil))
}

func (s *Storage) serve(w http.ResponseWriter, req *http.Request) {
	w, req = s.log.enter(w, req)
	if f := s.server.faultFor(req, true); f != nil {
		f.instead(w, req, s.server.life)
		return
	}
	object := objects.FindStringSubmatch(req.URL.Path)
	if object == nil || !hmac.Equal([]byte(req.URL.Query().Get(signatureParameter)), []byte(s.signature(req.URL.Path))) {
		s.refuse(w, http.StatusForbidden, "SignatureDoesNotMatch")
		return
	}
	if req.Header.Get("Authorization") != "" {
		s.refuse(w, http.StatusBadRequest, "InvalidArgument")
		return
	}
	registry := s.server.registry
	s.server.answer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if object[1] == "blob" {
			registry.sendBlob(w, req, object[2], digest.Digest(object[3]))
			return
		}
		inner := req.Clone(req.Context())
		inner.URL.Path = "/v2/" + object[2] + "/blobs/uploads/" + object[3]
		registry.upload(w, inner, routeOf(inner))
	}), w, req)
}

func (s *Storage) refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	w.Write([]byte("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>" + code + "</Code></Error>"))
}
