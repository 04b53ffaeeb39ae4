package ecr

import (
	"errors"
	"net/url"
)

// parseEndpoint reads the URL of a service. The error does not repeat it.
func parseEndpoint(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("is not a URL of the form https://host")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), nil
}

// endpoint chooses the URL of a service: the option, the variables, Amazon's.
func (p *provider) endpoint(option, suffix, host string) (string, error) {
	if option != "" {
		return parseEndpoint(option)
	}
	if p.getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") != "true" {
		for _, name := range []string{"AWS_ENDPOINT_URL_" + suffix, "AWS_ENDPOINT_URL"} {
			text := p.getenv(name)
			if text == "" {
				continue
			}
			found, err := parseEndpoint(text)
			if err != nil {
				return "", misconfigured("environment variables", name+" "+err.Error(), "")
			}
			return found, nil
		}
	}
	return "https://" + host + "/", nil
}

func (p *provider) ecrEndpoint(reg registry) (string, error) {
	if reg.public {
		return p.endpoint("", "ECR_PUBLIC", reg.endpoint)
	}
	return p.endpoint(p.opts.Endpoint, "ECR", reg.endpoint)
}
