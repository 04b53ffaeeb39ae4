package ecr

import (
	"errors"
	"strings"
	"testing"

	"github.com/portolan-oci/portolan/auth"
)

// Each kind of host of each partition leads to the API that AWS documents for
// it.
func TestHosts(t *testing.T) {
	for host, want := range map[string]registry{
		"123456789012.dkr.ecr.us-east-1.amazonaws.com":                         {"123456789012", "us-east-1", "api.ecr.us-east-1.amazonaws.com", false},
		"123456789012.dkr.ecr.us-east-1.amazonaws.com:443":                     {"123456789012", "us-east-1", "api.ecr.us-east-1.amazonaws.com", false},
		"123456789012.dkr.ecr.ap-southeast-7.amazonaws.com":                    {"123456789012", "ap-southeast-7", "api.ecr.ap-southeast-7.amazonaws.com", false},
		"123456789012.dkr.ecr-fips.us-east-2.amazonaws.com":                    {"123456789012", "us-east-2", "ecr-fips.us-east-2.amazonaws.com", false},
		"123456789012.dkr.ecr.us-gov-west-1.amazonaws.com":                     {"123456789012", "us-gov-west-1", "api.ecr.us-gov-west-1.amazonaws.com", false},
		"123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com":                {"123456789012", "us-gov-west-1", "ecr-fips.us-gov-west-1.amazonaws.com", false},
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn":                     {"123456789012", "cn-north-1", "api.ecr.cn-north-1.amazonaws.com.cn", false},
		"123456789012.dkr.ecr-fips.cn-northwest-1.amazonaws.com.cn":            {"123456789012", "cn-northwest-1", "api.ecr-fips.cn-northwest-1.amazonaws.com.cn", false},
		"123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu":                     {"123456789012", "eusc-de-east-1", "api.ecr.eusc-de-east-1.amazonaws.eu", false},
		"123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov":                        {"123456789012", "us-iso-east-1", "api.ecr.us-iso-east-1.c2s.ic.gov", false},
		"123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov":                    {"123456789012", "us-isob-east-1", "api.ecr.us-isob-east-1.sc2s.sgov.gov", false},
		"123456789012.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk":                   {"123456789012", "eu-isoe-west-1", "api.ecr.eu-isoe-west-1.cloud.adc-e.uk", false},
		"123456789012.dkr.ecr.us-isof-south-1.csp.hci.ic.gov":                  {"123456789012", "us-isof-south-1", "api.ecr.us-isof-south-1.csp.hci.ic.gov", false},
		"123456789012.dkr-ecr.eu-central-1.on.aws":                             {"123456789012", "eu-central-1", "ecr.eu-central-1.api.aws", false},
		"123456789012.dkr-ecr-fips.us-west-2.on.aws":                           {"123456789012", "us-west-2", "ecr-fips.us-west-2.api.aws", false},
		"123456789012.dkr-ecr.us-gov-east-1.on.aws":                            {"123456789012", "us-gov-east-1", "ecr.us-gov-east-1.api.aws", false},
		"123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn":          {"123456789012", "cn-north-1", "ecr.cn-north-1.api.amazonwebservices.com.cn", false},
		"123456789012.dkr-ecr-fips.cn-northwest-1.on.amazonwebservices.com.cn": {"123456789012", "cn-northwest-1", "ecr-fips.cn-northwest-1.api.amazonwebservices.com.cn", false},
		"public.ecr.aws":     {"", "us-east-1", "api.ecr-public.us-east-1.amazonaws.com", true},
		"public.ecr.aws:443": {"", "us-east-1", "api.ecr-public.us-east-1.amazonaws.com", true},
		"ecr-public.aws.com": {"", "us-east-1", "ecr-public.us-east-1.api.aws", true},
	} {
		if _, got, ok := matchHost(host); !ok || got != want {
			t.Errorf("%s: %+v %v, want %+v", host, got, ok, want)
		}
	}
}

// evilHosts look like Amazon's, and are not.
var evilHosts = []string{
	"1.dkr.ecr.us-east-1.amazonaws.com.evil.example",
	"123456789012.dkr.ecr.us-east-1.amazonaws.com.evil.example",
	"123456789012.dkr.ecr.us-east-1.amazonaws.com.cn.evil.example",
	"evil.example.123456789012.dkr.ecr.us-east-1.amazonaws.com",
	"evil-123456789012.dkr.ecr.us-east-1.amazonaws.com",
	"x123456789012.dkr.ecr.us-east-1.amazonaws.com",
	"1234567890123.dkr.ecr.us-east-1.amazonaws.com",
	"12345678901.dkr.ecr.us-east-1.amazonaws.com",
	"123456789012xdkr.ecr.us-east-1.amazonaws.com",
	"123456789012.dkr.ecr.us-east-1.amazonaws.com:5000",
	"123456789012.dkr.ecr.us-east-1.amazonaws.com:443:443",
	"123456789012.dkr.ecr.us-east-1.amazonaws.com.",
	"123456789012.dkr.ecr.us-east-1.amazonaws.com\n",
	"123456789012.dkr.ecr.us-east-1.amazonaws.com\n.evil.example",
	"123456789012.dkr.ecr.us-east-1.amazonaws.com/evil.example",
	"123456789012.dkr.ecr.us-east-1.amazonaws.com@evil.example",
	"123456789012.dkr.ecr.us-east-1.evil.example",
	"123456789012.dkr.ecr.us-east-1.amazonaws.com.us",
	"123456789012.dkr.ecr.us-east-1.evilamazonaws.com",
	"123456789012.dkr.ecr.us-east-1-amazonaws.com",
	"123456789012.dkr.ecr.us-east-1.amazonawsxcom",
	"123456789012.dkr.ecr.evil.example.us-east-1.amazonaws.com",
	"123456789012.dkr.ecr.evil.amazonaws.com",
	"123456789012.dkr.ecr..amazonaws.com",
	"123456789012.dkr.ecr.us-east-1.elb.amazonaws.com",
	"123456789012.dkr.ecr.us-east-1.on.aws",
	"123456789012.dkr-ecr.us-east-1.amazonaws.com",
	"123456789012.dkr-ecr.us-east-1.on.aws.evil.example",
	"123456789012.dkr-ecr.us-east-1.on.amazonwebservices.com.cn",
	"123456789012.dkr-ecr.cn-north-1.on.aws",
	"123456789012.dkr.ecr.cn-north-1.amazonaws.com",
	"123456789012.dkr.ecr.us-east-1.amazonaws.com.cn",
	"123456789012.dkr.ecr.us-iso-east-1.amazonaws.com",
	"123456789012.dkr.ecr.us-east-1.c2s.ic.gov",
	"public.ecr.aws.evil.example",
	"evil.public.ecr.aws",
	"xpublic.ecr.aws",
	"public.ecr.aws:5000",
	"publicxecr.aws",
	"ecr-public.aws.com.evil.example",
	"bucket.s3.us-east-1.amazonaws.com",
	"amazonaws.com", "ecr.aws", "docker.io", "",
}

// A host that only looks like one of Amazon's gets nothing, and nobody is
// asked for it. The partition says which suffix a region has.
func TestEvilHosts(t *testing.T) {
	w := newWorld(t)
	w.env["AWS_ACCESS_KEY_ID"], w.env["AWS_SECRET_ACCESS_KEY"] = w.keys.AccessKeyID, w.keys.SecretAccessKey
	p := w.provider(nil)
	for _, host := range evilHosts {
		if _, err := p.Credential(t.Context(), auth.Resource{Host: host}); err != notOurs || !errors.Is(err, auth.ErrNoCredential) {
			t.Errorf("%q: error %v, want that it is not ours", host, err)
		}
		findings := p.Explain(t.Context(), auth.Resource{Host: host})
		if len(findings) != 1 || findings[0].Outcome != auth.OutcomeNone || findings[0].Reason != "the host is not a registry of Amazon ECR" {
			t.Errorf("%q: findings %+v", host, findings)
		}
	}
	w.wantCalls()
}

// FuzzHost looks for a host that is taken for Amazon's and does not end in a
// name that Amazon owns, and for an API that would be asked outside of those.
func FuzzHost(f *testing.F) {
	for _, host := range evilHosts {
		f.Add(host)
	}
	f.Add("123456789012.dkr.ecr.us-east-1.amazonaws.com")
	f.Add("123456789012.dkr-ecr-fips.us-east-1.on.aws")
	f.Add("public.ecr.aws:443")
	owned := []string{
		".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".c2s.ic.gov", ".sc2s.sgov.gov", ".cloud.adc-e.uk", ".csp.hci.ic.gov",
		".on.aws", ".on.amazonwebservices.com.cn", ".ecr.aws", ".aws.com", ".api.aws", ".api.amazonwebservices.com.cn",
	}
	isOwned := func(host string) bool {
		for _, suffix := range owned {
			if strings.HasSuffix(host, suffix) {
				return true
			}
		}
		return false
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, reg, ok := matchHost(host)
		if !ok {
			return
		}
		if !isOwned(name) || name != strings.TrimSuffix(host, ":443") || !isOwned(reg.endpoint) || !regionName.MatchString(reg.region) {
			t.Errorf("%q leads to %+v", host, reg)
		}
		if r, err := auth.ParseResource(host); err != nil || r.Path != "" {
			t.Errorf("%q is taken, and is no host: %v", host, err)
		}
		if !reg.public && !strings.HasPrefix(host, reg.account+".dkr") {
			t.Errorf("%q is taken for account %s", host, reg.account)
		}
	})
}
