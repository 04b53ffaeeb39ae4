package gar

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/portolan-oci/portolan/auth"
)

// maxFile bounds a file of credentials and a subject token: they have some KiB.
const maxFile = 64 << 10

// defaultTokenURL is where Google's OAuth 2 answers, if the file says nothing.
const defaultTokenURL = "https://oauth2.googleapis.com/token"

// credentialsFile is a file of application default credentials; which fields
// count depends on its type.
type credentialsFile struct {
	Type           string `json:"type"`
	UniverseDomain string `json:"universe_domain"`
	TokenURI       string `json:"token_uri"`

	// service_account
	ClientEmail  string `json:"client_email"`
	PrivateKeyID string `json:"private_key_id"`
	PrivateKey   string `json:"private_key"`

	// authorized_user
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	RefreshToken string `json:"refresh_token"`

	// external_account
	Audience         string        `json:"audience"`
	SubjectTokenType string        `json:"subject_token_type"`
	TokenURL         string        `json:"token_url"`
	ImpersonationURL string        `json:"service_account_impersonation_url"`
	Subject          subjectSource `json:"credential_source"`
	WorkforceProject string        `json:"workforce_pool_user_project"`
	Impersonation    struct {
		Lifetime int `json:"token_lifetime_seconds"`
	} `json:"service_account_impersonation"`
}

// namedFile is the file that the caller or the environment names.
func (p *provider) namedFile() (file, absence string) {
	return cmp.Or(p.opts.CredentialsFile, os.Getenv("GOOGLE_APPLICATION_CREDENTIALS")), "GOOGLE_APPLICATION_CREDENTIALS is not set"
}

// gcloudFile is where gcloud auth application-default login writes. Unlike a
// file that somebody has named, it need not be there.
func (p *provider) gcloudFile() (file, absence string) {
	dir := os.Getenv("CLOUDSDK_CONFIG")
	switch home, err := os.UserHomeDir(); {
	case dir != "":
	case runtime.GOOS == "windows" && os.Getenv("APPDATA") != "":
		dir = filepath.Join(os.Getenv("APPDATA"), "gcloud")
	case err == nil:
		dir = filepath.Join(home, ".config", "gcloud")
	default:
		return "", "there is no home directory"
	}
	file = filepath.Join(dir, "application_default_credentials.json")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return "", "there is no file " + file
	}
	return file, ""
}

// fileSource is an identity in a file.
type fileSource struct {
	*provider
	kind string
	path func() (file, absence string)
}

func (s *fileSource) origin() auth.Origin {
	file, _ := s.path()
	return auth.Origin{Kind: s.kind, Location: file}
}

func (s *fileSource) credential(ctx context.Context) (auth.Credential, error) {
	path, why := s.path()
	if path == "" {
		return auth.Credential{}, absent(why)
	}
	f, _, err := readCredentials(path)
	if err != nil {
		return auth.Credential{}, err
	}
	origin := auth.Origin{Kind: "Google " + strings.ReplaceAll(f.Type, "_", " "), Location: path}
	var c auth.Credential
	switch f.Type {
	case "service_account":
		origin.Key = shownEmail(f.ClientEmail)
		c, err = s.serviceAccount(ctx, f)
	case "authorized_user":
		c, err = s.user(ctx, f)
	default:
		c, err = s.federated(ctx, f)
	}
	if err != nil {
		if e, ok := errors.AsType[*auth.Error](err); ok {
			e.Origin = origin
		}
		return auth.Credential{}, err
	}
	c.Origin = origin
	return c, nil
}

// shownEmail keeps what is no address out of origins, which are printed.
func shownEmail(s string) string {
	if email.MatchString(s) {
		return s
	}
	return ""
}

// word is what the type of a file looks like.
var word = regexp.MustCompile(`^[a-z][a-z_]{1,40}$`)

// parseCredentials reads a file of one of the types that are supported. The
// error shows nothing of its content.
func parseCredentials(content []byte) (*credentialsFile, error) {
	f := new(credentialsFile)
	if json.Unmarshal(content, f) != nil {
		return nil, unusable("is not one")
	}
	switch f.Type {
	case "service_account", "authorized_user", "external_account":
	default:
		kind := "of an unknown type"
		if word.MatchString(f.Type) {
			kind = "of the type " + f.Type
		}
		return nil, unsupported(kind)
	}
	if u := f.UniverseDomain; u != "" && u != "googleapis.com" {
		return nil, unsupported("for another universe than googleapis.com")
	}
	return f, nil
}

// unsupported is the error for what Google's own tools know and this package
// does not.
func unsupported(what string) *auth.Error {
	e := unusable("is %s, which is not supported", what)
	e.Hint = "use docker-credential-gcr, through auth.FromHelper or the credHelpers of a docker configuration"
	return e
}

func readCredentials(path string) (*credentialsFile, []byte, error) {
	content, err := readFile(path)
	if err != nil {
		e := unusable("cannot be read")
		e.Causes = []error{err}
		return nil, nil, e
	}
	f, err := parseCredentials(content)
	return f, content, err
}

func readFile(path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: it is not a regular file", path) // a pipe would be waited on
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("%s: it has more than %d bytes", path, maxFile)
	}
	return content, err
}

// googleEndpoint holds an address from a file to Google's own hosts: what goes
// there proves an identity, and files come from templates of others.
func googleEndpoint(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Port() != "" && u.Port() != "443" ||
		u.Hostname() != "accounts.google.com" && !googleAPI.MatchString(u.Hostname()) {
		return "", unusable("names a token endpoint that is not one of Google: it is neither at accounts.google.com nor below googleapis.com, or not on https")
	}
	return u.String(), nil
}

var googleAPI = regexp.MustCompile(`^([a-z0-9-]+\.)+googleapis\.com$`)

// keySource is the file of a service account as a password.
type keySource struct{ *provider }

func (s *keySource) origin() auth.Origin {
	file, _ := s.namedFile()
	return auth.Origin{Kind: "Google service account key", Location: file}
}

func (s *keySource) credential(context.Context) (auth.Credential, error) {
	path, why := s.namedFile()
	if path == "" {
		return auth.Credential{}, absent(why)
	}
	f, content, err := readCredentials(path)
	if err != nil {
		return auth.Credential{}, err
	}
	if f.Type != "service_account" {
		return auth.Credential{}, unusable("is no key of a service account, and no other can be a password")
	}
	origin := s.origin()
	origin.Key = shownEmail(f.ClientEmail)
	return auth.Credential{Username: keyUser, Password: auth.NewSecret(string(content)), Origin: origin}, nil
}
