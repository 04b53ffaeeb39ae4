package auth

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestExplain shows that every source is asked, that the first with a
// credential answers, and that no secret is told.
func TestExplain(t *testing.T) {
	ends := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	broken := errors.New("the vault is sealed")
	asked := Resource{"registry.example.com", "team/app"}
	cachedStore, err := Cached(Static(asked, Credential{IdentityToken: NewSecret(canary), Expires: ends}), nil)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := ForHosts(Static(asked, named("never")), "*.other.example")
	if err != nil {
		t.Fatal(err)
	}
	p := Chain(
		Static(Resource{Host: "other.example"}, named("other")),
		elsewhere,
		ProviderFunc(func(context.Context, Resource) (Credential, error) { return Credential{}, broken }),
		Static(Resource{"registry.example.com", "team"}, named("ann")),
		cachedStore,
		new(MemoryStore),
	)
	findings, err := Explain(t.Context(), p, asked)
	if err != nil {
		t.Fatal(err)
	}
	noCanary(t, "findings", fmt.Sprintf("%+v %#v", findings, findings))
	type row struct{ Origin, Outcome, Kind, Username, Reason string }
	var got []row
	for _, f := range findings {
		got = append(got, row{f.Origin.String(), string(f.Outcome), f.Kind, f.Username, f.Reason})
	}
	want := []row{
		{"static", "none", "", "", "its credential is for other.example"},
		{"provider", "none", "", "", "it is for other hosts"},
		{"provider", "failed", "", "", "the vault is sealed"},
		{"static (registry.example.com/team)", "answers", "password", "ann", ""},
		{"static (registry.example.com/team/app)", "shadowed", "identity token", "", "a source before it answers"},
		{"memory", "none", "", "", "it holds 0 credentials, and none for this host or path"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !findings[4].Expires.Equal(ends) || !errors.Is(findings[2].Err, broken) {
		t.Errorf("an end of %s, and the error %v", findings[4].Expires, findings[2].Err)
	}
}

func TestExplainEnds(t *testing.T) {
	if findings, err := Explain(t.Context(), nil, Resource{Host: "r.io"}); findings != nil || err != nil {
		t.Errorf("nobody has %v, %v", findings, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	cancel(reason)
	if findings, err := Explain(ctx, new(MemoryStore), Resource{Host: "r.io"}); findings != nil || !errors.Is(err, reason) {
		t.Errorf("after the end: %v, %v", findings, err)
	}
}
