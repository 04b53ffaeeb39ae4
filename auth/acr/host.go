package acr

import (
	"regexp"
	"strings"
)

// cloud is one of Azure's, by the domain of its registries.
type cloud struct {
	domain    string // of login servers, with its leading dot
	authority string // where Entra ID answers, if AZURE_AUTHORITY_HOST says nothing
}

// clouds are those that serve container registries. The authorities are the
// constants of azure-sdk-for-go, sdk/azcore/cloud.
var clouds = []cloud{
	{".azurecr.io", "https://login.microsoftonline.com"},
	{".azurecr.cn", "https://login.chinacloudapi.cn"},
	{".azurecr.us", "https://login.microsoftonline.us"},
}

// audience is the resource that tokens for registries are for, in every cloud
// (azure-sdk-for-go, sdk/containers/azcontainerregistry).
const audience = "https://containerregistry.azure.net"

// loginServer is what stands before the cloud's domain: the registry's name,
// which may end in the hash of a domain name label, "contoso-abc123", and for
// one replica of it region and "geo" (Azure Container Registry endpoint
// reference). A DNS label has at most 63 characters.
var loginServer = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+\.geo)?$`)

// dataEndpoint serves layers to whom the login server has sent there. It asks
// for no login.
var dataEndpoint = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*\.[a-z0-9]+\.data$`)

const maxLabel = 63

// matchHost finds the cloud of a login server and its name without a port. Why
// says what else the host is, where it is none.
func matchHost(host string) (name string, in cloud, why string) {
	name = strings.TrimSuffix(host, ":443")
	for _, c := range clouds {
		before, found := strings.CutSuffix(name, c.domain)
		label, _, _ := strings.Cut(before, ".")
		switch {
		case !found:
			continue
		case len(label) <= maxLabel && loginServer.MatchString(before):
			return name, c, ""
		case dataEndpoint.MatchString(before):
			return "", cloud{}, "the host is a data endpoint of a registry, which takes no login"
		}
	}
	return "", cloud{}, "the host is not a login server of Azure Container Registry"
}
