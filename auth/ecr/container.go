package ecr

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// ecsAgent is where a relative URI of ECS is asked for.
const ecsAgent = "http://169.254.170.2"

// containerKeys is what the endpoints of containers and instances answer.
type containerKeys struct {
	Code            string // of an instance: Success
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      time.Time
}

// fromContainer reads what ECS (a relative URI) and EKS Pod Identity (a full
// one, with a token file) put into the environment of a container.
func (p *provider) fromContainer() source {
	s := source{name: "container"}
	relative, full := p.getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), p.getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if relative == "" && full == "" {
		s.why = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI are not set"
		return s
	}
	where := full
	if relative != "" {
		where = ecsAgent + relative
	}
	s.key = "container\x00" + where
	s.keys = func(ctx context.Context) (identity, error) {
		u, err := url.Parse(where)
		// A relative URI without its slash would go on with the host's name.
		if err != nil || relative != "" && !strings.HasPrefix(relative, "/") || u.Hostname() == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			return identity{}, misconfigured(s.name, "the URI of its credentials cannot be used", "check AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI")
		}
		return p.askContainer(ctx, s.name, u)
	}
	return s
}

func (p *provider) askContainer(ctx context.Context, name string, u *url.URL) (identity, error) {
	token := p.getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN")
	if file := p.getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); file != "" {
		var err error
		if token, err = readToken(file); err != nil {
			return identity{}, misconfigured(name, "the token for its credentials cannot be read: "+err.Error(), "check AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
		}
	}
	of := p.machine()
	if u.Scheme == "https" {
		of = p.aws()
	}
	ask := call(func() (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Accept", "application/json")
		if token != "" {
			req.Header.Set("Authorization", token)
		}
		return req, nil
	})
	answer, err := ask.do(ctx, of)
	if err != nil {
		return identity{}, failed(ctx, "asking for the container's credentials failed", auth.Origin{}, err)
	}
	if answer.status != http.StatusOK {
		return identity{}, p.refused(answer, "the container's credentials were refused", auth.Origin{}, "check the task's role, or the pod identity association")
	}
	var k containerKeys
	if json.Unmarshal(answer.body, &k) != nil {
		return identity{}, failed(ctx, "the container's credentials cannot be used", auth.Origin{}, errors.New("the answer is not the JSON of some"))
	}
	who, err := temporary("container", k.AccessKeyID, k.SecretAccessKey, k.Token, k.Expiration, p.now())
	if err != nil {
		return identity{}, failed(ctx, "the container's credentials cannot be used", auth.Origin{}, err)
	}
	return who, nil
}
