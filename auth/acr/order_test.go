package acr

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/portolan-oci/portolan/auth"
)

// TestNoIdentity shows that a machine without an identity has no credential,
// and that it is not looked for again and again.
func TestNoIdentity(t *testing.T) {
	r := auth.Resource{Host: registry}
	t.Run("no identity is assigned", func(t *testing.T) {
		a := newAzure(t)
		a.noIdentity = true
		if _, err := a.provider(a.options()).Credential(t.Context(), r); !errors.Is(err, auth.ErrNoCredential) {
			t.Error(err)
		}
	})
	t.Run("several are assigned", func(t *testing.T) {
		a := newAzure(t)
		a.several = true
		findings, err := auth.Explain(t.Context(), a.provider(a.options()), r)
		if err != nil || findings[3].Outcome != auth.OutcomeNone || !strings.Contains(findings[3].Reason, "AZURE_CLIENT_ID") {
			t.Errorf("%+v, %v", findings, err)
		}
	})
	t.Run("another identity is assigned", func(t *testing.T) {
		a := newAzure(t)
		a.noIdentity = true
		t.Setenv("AZURE_CLIENT_ID", clientID)
		if _, err := a.provider(a.options()).Credential(t.Context(), r); err == nil || errors.Is(err, auth.ErrNoCredential) || !strings.Contains(err.Error(), "assign the identity") {
			t.Error(err)
		}
	})
	t.Run("left out", func(t *testing.T) {
		a := newAzure(t)
		opts := a.options()
		opts.NoMetadata = true
		t.Setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token")
		if _, err := a.provider(opts).Credential(t.Context(), r); !errors.Is(err, auth.ErrNoCredential) || len(a.hosts) > 0 {
			t.Errorf("%v, connections to %q", err, a.hosts)
		}
	})
	t.Run("nobody at the metadata address", func(t *testing.T) {
		a := newAzure(t)
		a.noMachine = true
		p, err := newProvider(a.options())
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		p.sources[3].(*machineSource).now = func() time.Time { return now }
		for _, step := range []struct {
			after time.Duration
			dials int
		}{{0, 1}, {absenceTTL - 1, 1}, {1, 2}} {
			now = now.Add(step.after)
			if _, err := p.Credential(t.Context(), r); !errors.Is(err, auth.ErrNoCredential) || len(a.hosts) != step.dials {
				t.Errorf("%v after %d dials, want %d", err, len(a.hosts), step.dials)
			}
		}
	})
	t.Run("a metadata address that does not answer", func(t *testing.T) {
		a := newAzure(t)
		opts := a.options()
		opts.MetadataTransport = silent{}
		before := time.Now()
		if _, err := a.provider(opts).Credential(t.Context(), r); !errors.Is(err, auth.ErrNoCredential) || time.Since(before) > 2*probeTimeout {
			t.Errorf("%v after %s", err, time.Since(before))
		}
	})
}

// silent is a network that swallows what is sent.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestOrder shows that a configured identity that fails does not make room
// for another, and that all of them are explained.
func TestOrder(t *testing.T) {
	r := auth.Resource{Host: registry}
	for _, tc := range []struct {
		name    string
		prepare func(*azure)
		want    string // part of the error; "" for none
		found   []auth.Outcome
	}{
		{"secret before workload identity before the machine", func(a *azure) { a.federatedToken("1"); a.clientSecret() }, "",
			[]auth.Outcome{auth.OutcomeAnswers, auth.OutcomeShadowed, auth.OutcomeNone, auth.OutcomeShadowed}},
		{"a wrong secret", func(a *azure) { a.clientSecret(); a.t.Setenv("AZURE_CLIENT_SECRET", "canary-wrong") }, "AADSTS7000215",
			[]auth.Outcome{auth.OutcomeFailed, auth.OutcomeShadowed, auth.OutcomeShadowed, auth.OutcomeShadowed}},
		{"a secret without a tenant", func(a *azure) { a.clientSecret(); a.t.Setenv("AZURE_TENANT_ID", "") }, "AZURE_CLIENT_SECRET is given",
			[]auth.Outcome{auth.OutcomeFailed, auth.OutcomeShadowed, auth.OutcomeShadowed, auth.OutcomeShadowed}},
		{"a tenant that is a path", func(a *azure) { a.clientSecret(); a.t.Setenv("AZURE_TENANT_ID", "../x") }, "AZURE_TENANT_ID",
			[]auth.Outcome{auth.OutcomeFailed, auth.OutcomeShadowed, auth.OutcomeShadowed, auth.OutcomeShadowed}},
		{"an authority without TLS", func(a *azure) {
			a.clientSecret()
			a.t.Setenv("AZURE_AUTHORITY_HOST", "http://login.microsoftonline.com")
		}, "AZURE_AUTHORITY_HOST", []auth.Outcome{auth.OutcomeFailed, auth.OutcomeShadowed, auth.OutcomeShadowed, auth.OutcomeShadowed}},
		{"a token file that is gone", func(a *azure) {
			a.federatedToken("1")
			os.Remove(os.Getenv("AZURE_FEDERATED_TOKEN_FILE"))
		}, "federated token cannot be read", []auth.Outcome{auth.OutcomeNone, auth.OutcomeFailed, auth.OutcomeShadowed, auth.OutcomeShadowed}},
		{"an identity endpoint elsewhere", func(a *azure) {
			a.t.Setenv("IDENTITY_ENDPOINT", "http://evil.example/msi/token")
			a.t.Setenv("IDENTITY_HEADER", idHeader)
		}, "IDENTITY_ENDPOINT", []auth.Outcome{auth.OutcomeNone, auth.OutcomeNone, auth.OutcomeFailed, auth.OutcomeShadowed}},
		{"an identity endpoint that cannot be reached", func(a *azure) {
			a.t.Setenv("IDENTITY_ENDPOINT", "https://localhost:1/msi/token?code=canary")
			a.t.Setenv("IDENTITY_HEADER", idHeader)
		}, "cannot be reached", []auth.Outcome{auth.OutcomeNone, auth.OutcomeNone, auth.OutcomeFailed, auth.OutcomeShadowed}},
		{"Azure Arc", func(a *azure) { a.t.Setenv("IDENTITY_ENDPOINT", "http://localhost:40342/metadata") }, "Azure Arc",
			[]auth.Outcome{auth.OutcomeNone, auth.OutcomeNone, auth.OutcomeFailed, auth.OutcomeShadowed}},
		{"the machine alone", func(*azure) {}, "", []auth.Outcome{auth.OutcomeNone, auth.OutcomeNone, auth.OutcomeNone, auth.OutcomeAnswers}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAzure(t)
			tc.prepare(a)
			p := a.provider(a.options())
			_, err := p.Credential(t.Context(), r)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || errors.Is(err, auth.ErrNoCredential)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if e, ok := errors.AsType[*auth.Error](err); ok {
				checkSecrets(t, e)
				for _, cause := range e.Causes {
					checkSecrets(t, cause)
				}
			}
			if tc.want != "" && a.count("machine")+a.count("exchange") > 0 {
				t.Error("another identity was used")
			}
			findings, err := auth.Explain(t.Context(), p, r)
			if err != nil || len(findings) != len(tc.found) {
				t.Fatalf("%d findings, %v", len(findings), err)
			}
			for i, f := range findings {
				if f.Outcome != tc.found[i] || (f.Reason == "") != (f.Outcome == auth.OutcomeAnswers) {
					t.Errorf("%s: %s (%s), want %s", f.Origin, f.Outcome, f.Reason, tc.found[i])
				}
				checkSecrets(t, f)
			}
		})
	}
}
