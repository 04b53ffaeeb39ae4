package registrytest

import (
	"crypto/x509"
	"time"
)

// Auth is the authentication scheme of a Server.
type Auth int

// The schemes.
const (
	Open   Auth = iota // everyone may do everything
	Basic              // HTTP basic authentication (RFC 7617)
	Bearer             // tokens from a token service (Docker token authentication)
)

// Options configure a Server. The zero value is an open registry on plain
// HTTP without delay, which does as the OCI distribution spec 1.1 says.
type Options struct {
	// Auth is the scheme; Users are its names and passwords.
	Auth  Auth
	Users map[string]string
	// AnonymousPull lets everyone pull; with Bearer, through a token of an
	// anonymous request, as public registries do.
	AnonymousPull bool
	// TokenLifetime is how long tokens are good. Zero: five minutes.
	TokenLifetime time.Duration
	// SplitRealm serves tokens at another port, as GitLab does (oras-go#1246).
	SplitRealm bool
	// RefusalStatus answers in place of 401 to credentials that do not suffice:
	// 403 from Amazon ECR and Argo CD's hosts for an expired token
	// (argo-cd#12554), 404 from GitHub. A request without any gets its 401.
	RefusalStatus int
	// UnknownStatus answers in place of 404 where a repository is not there:
	// 401 from Docker Hub and Quay, 403 from Google Artifact Registry.
	UnknownStatus int

	// TLS serves HTTPS with a certificate that Certificate returns.
	TLS bool
	// ClientCAs demands a certificate of one of them from each client. It
	// implies TLS.
	ClientCAs *x509.CertPool
	// Latency is waited before each answer.
	Latency time.Duration

	// PageSize is the most tags, repositories or referrers in one page,
	// whatever was asked for. Zero: all.
	PageSize int
	// Lists is what else lists are like.
	Lists ListOptions
	// Manifests, Blobs and Uploads are what these are like.
	Manifests ManifestOptions
	Blobs     BlobOptions
	Uploads   UploadOptions
	// Catalog is who may list the repositories.
	Catalog CatalogOptions
	// Deletes is what can be deleted.
	Deletes DeleteOptions

	// NoReferrers leaves out the referrers API, as distribution does: clients
	// keep the list under a tag (OCI distribution spec 1.1, Referrers Tag
	// Schema). Referrers says what else may be in its place.
	NoReferrers bool
	Referrers   ReferrersForm
	// NoMount answers each mount of a blob with an upload, as the spec allows.
	NoMount bool
	// NoAPIVersion leaves out Docker-Distribution-Api-Version, which the OCI
	// spec no longer knows.
	NoAPIVersion bool

	// Upstream is the base URL of an open registry, as another Server's: what
	// is not here is fetched from there and kept, as pull-through caches do.
	// Tags are asked for there each time, unless that fails. Lists are of what
	// is here, and writes stay here.
	Upstream string
	// UpstreamPrefix stands before the names of its repositories here, as in
	// "hub" for "hub/team/app"; other names are not fetched. May be empty.
	UpstreamPrefix string
	// StaleTags lets an Upstream's tags stay as they came.
	StaleTags bool
	// UpstreamWhole fetches blobs with the manifest that names them, and none
	// that is asked for before, as zot's sync on demand does.
	UpstreamWhole bool
}

// storage tells whether there must be an object storage.
func (o *Options) storage() bool {
	return o.Blobs.Redirect || o.Uploads.Location == LocationStorage || o.Lists.Link == LinkForeign
}
