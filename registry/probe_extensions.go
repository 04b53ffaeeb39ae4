package registry

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/redact"
)

// maxProbe bounds what is read of the answer to a question about the registry:
// a list of extensions has some KiB.
const maxProbe = 256 << 10

// maxNamed bounds what is kept of a list that a registry gives of itself.
const maxNamed = 32

func (p *prober) extensions(ctx context.Context, known Capabilities, now time.Time) error {
	if known.Extensions.fresh(now, "") {
		return nil
	}
	u := p.engine.baseURL()
	u.Path += "_oci/ext/discover"
	resp, err := p.ask(ctx, p.engine.once, http.MethodGet, u, nil)
	if err != nil {
		return unknown(ctx, p, err, "", func(k *Capabilities) *Fact[[]string] { return &k.Extensions })
	}
	defer drain(resp.Body)
	var found []string
	switch {
	case absent(resp.StatusCode):
		found = []string{}
	case resp.StatusCode == http.StatusOK:
		found = readExtensions(resp.Body)
	}
	p.know(func(k *Capabilities, now time.Time) {
		k.Extensions.set(now, found, SourceProbe, 1, len(found) > 0)
		learnKind(k, now)
	})
	return nil
}

// readExtensions reads the names; nil is no list of them (OCI distribution
// spec, extensions/_oci.md).
func readExtensions(r io.Reader) []string {
	var answer struct {
		Extensions []struct {
			Name string `json:"name"`
		} `json:"extensions"`
	}
	body, err := limit.ReadAll(r, maxProbe)
	if err != nil || json.Unmarshal(body, &answer) != nil {
		return nil
	}
	found := []string{}
	for _, e := range answer.Extensions[:min(len(answer.Extensions), maxNamed)] {
		found = append(found, redact.Text(e.Name, maxFact))
	}
	slices.Sort(found)
	return slices.Compact(found)
}
