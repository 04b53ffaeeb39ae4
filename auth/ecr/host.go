package ecr

import (
	"regexp"
	"strings"
)

// registry is what a host of Amazon ECR says of itself, and where its tokens
// come from.
type registry struct {
	account  string // 12 digits; empty for the public registry
	region   string // that of the API, which is also the one to sign for
	endpoint string // the API's host name
	public   bool
}

const (
	// publicRegion is the one in which the API of the public registry is
	// offered for tokens (Amazon ECR Public user guide, "Registry
	// authentication").
	publicRegion       = "us-east-1"
	publicHost         = "public.ecr.aws"
	publicDualHost     = "ecr-public.aws.com"
	publicEndpoint     = "api.ecr-public.us-east-1.amazonaws.com"
	publicDualEndpoint = "ecr-public.us-east-1.api.aws"
)

// regionPattern is the form of every region's name: us-east-1, us-gov-west-1,
// us-isob-east-1, eusc-de-east-1. A name of it cannot end a host name early.
const regionPattern = `[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}`

var (
	regionName = regexp.MustCompile(`^` + regionPattern + `$`)
	// hostForm and dualHostForm are anchored at both ends: a form that is not
	// would also fit 1.dkr.ecr.us-east-1.amazonaws.com.evil.example, which
	// would then be sent a live token. The names are those of Amazon's own
	// helper (amazon-ecr-credential-helper) and of the AWS General Reference,
	// "Amazon ECR endpoints and quotas".
	hostForm     = regexp.MustCompile(`^([0-9]{12})\.dkr\.ecr(-fips)?\.(` + regionPattern + `)\.([a-z0-9.-]+)$`)
	dualHostForm = regexp.MustCompile(`^([0-9]{12})\.dkr-ecr(-fips)?\.(` + regionPattern + `)\.([a-z0-9.-]+)$`)
)

// partition is a part of AWS with accounts and host names of its own.
type partition struct {
	regions string // what the names of its regions begin with, if no other's do
	suffix  string // of the API's hosts, and of its registries
	// fips is what stands before the region in the name of the API that runs
	// on FIPS 140 validated modules.
	fips string
}

// partitions are those of the AWS SDKs (partitions.json). The first serves all
// regions that no other one claims, so that new ones need no release of ours;
// AWS GovCloud shares its suffix.
var partitions = []partition{
	{"", "amazonaws.com", "ecr-fips."},
	{"cn-", "amazonaws.com.cn", "api.ecr-fips."},
	{"eusc-", "amazonaws.eu", "api.ecr-fips."},
	{"us-iso-", "c2s.ic.gov", "api.ecr-fips."},
	{"us-isob-", "sc2s.sgov.gov", "api.ecr-fips."},
	{"eu-isoe-", "cloud.adc-e.uk", "api.ecr-fips."},
	{"us-isof-", "csp.hci.ic.gov", "api.ecr-fips."},
}

// partitionOf finds the partition of a region.
func partitionOf(region string) partition {
	for _, p := range partitions[1:] {
		if strings.HasPrefix(region, p.regions) {
			return p
		}
	}
	return partitions[0]
}

// dualSuffixes map what the registries' hosts of a partition end in, where
// they answer over IPv4 and IPv6, to what the API's hosts end in.
var dualSuffixes = map[string]string{
	"on.aws":                      "api.aws",
	"on.amazonwebservices.com.cn": "api.amazonwebservices.com.cn",
}

// matchHost gives the name of a registry of Amazon ECR without a port, and what
// it says. A port other than that of HTTPS is not Amazon's.
func matchHost(host string) (name string, reg registry, ours bool) {
	name = strings.TrimSuffix(host, ":443")
	reg, ours = parseHost(name)
	return name, reg, ours
}

func parseHost(host string) (registry, bool) {
	switch host {
	case publicHost:
		return registry{region: publicRegion, endpoint: publicEndpoint, public: true}, true
	case publicDualHost:
		return registry{region: publicRegion, endpoint: publicDualEndpoint, public: true}, true
	}
	if m := hostForm.FindStringSubmatch(host); m != nil {
		p := partitionOf(m[3])
		if m[4] != p.suffix {
			return registry{}, false
		}
		api := "api.ecr."
		if m[2] != "" {
			api = p.fips
		}
		return registry{account: m[1], region: m[3], endpoint: api + m[3] + "." + p.suffix}, true
	}
	if m := dualHostForm.FindStringSubmatch(host); m != nil {
		suffix, known := dualSuffixes[m[4]]
		if !known || strings.HasPrefix(m[3], "cn-") != (suffix != "api.aws") {
			return registry{}, false
		}
		return registry{account: m[1], region: m[3], endpoint: "ecr" + m[2] + "." + m[3] + "." + suffix}, true
	}
	return registry{}, false
}
