package registrytest

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/portolan-oci/portolan/registry"
)

// Conformance exercises everything that a client does with a registry against
// any registry: it pushes small charts under tags of its own, reads them back
// in each way, lists, mounts, refers, deletes, and looks whether failures match
// the sentinels that they should. It needs the right to push and pull in the
// repository and in one beside it, whose name ends in "-mounted", and is better
// run with the right to delete, for it removes what it made: a registry that
// cannot delete keeps some ten manifests and 8 MiB.
//
// It takes some hundred requests. When ctx ends, the rest of the checks fail.
// The client's identity and host configuration count; nothing else is asked.
func Conformance(ctx context.Context, client *registry.Client, repository registry.Reference) Report {
	report := Report{Repository: repository.Repo()}
	repo, err := client.Repository(repository)
	if err != nil {
		report.Checks = append(report.Checks, Check{Name: "open the repository", Outcome: Failed, Err: err})
		return report
	}
	t := &trial{client: client, repo: repo.WithActions(registry.ActionPull, registry.ActionPush), id: strings.ToLower(rand.Text()[:8])}
	if err := t.prepare(); err != nil {
		report.Checks = append(report.Checks, Check{Name: "make a chart", Outcome: Failed, Err: err})
		return report
	}
	for _, c := range t.checks() {
		report.Checks = append(report.Checks, run(ctx, c, report))
	}
	return report
}

// Outcome is how a check ended.
type Outcome int

// The outcomes.
const (
	Passed      Outcome = iota
	Unsupported         // the registry does not do this, and says so as it should, or the specification leaves it open
	Failed              // see Check.Err
	Skipped             // what it builds on has failed
)

// String is the outcome in a word.
func (o Outcome) String() string {
	switch o {
	case Passed:
		return "passed"
	case Unsupported:
		return "unsupported"
	case Failed:
		return "failed"
	}
	return "skipped"
}

// check is one thing to try.
type check struct {
	name  string
	needs string // the check without which this one says nothing; may be empty
	need  need
	try   func(ctx context.Context) error
}

// need is whether a registry has to do what a check is about.
type need bool

const (
	must need = true
	may  need = false
)

// checks are in the order in which they build on each other.
func (t *trial) checks() []check {
	const push = "push a manifest by tag"
	return []check{
		{"push blobs", "", must, t.pushBlobs},
		{push, "push blobs", must, t.pushManifest},
		{"resolve by tag and digest", push, must, t.resolve},
		{"resolve a version with build metadata", push, must, t.resolveVersion},
		{"fetch a manifest", push, must, t.fetchManifest},
		{"fetch a blob", push, must, t.fetchBlob},
		{"fetch at once", push, must, t.fetchAtOnce},
		{"push the same blob again", push, must, t.pushAgain},
		{"push the same tag again", push, may, t.tagTheSame},
		{"blobs of all sizes", "push blobs", must, t.pushSizes},
		{"blob from a stream", "push blobs", must, t.pushStream},
		{"empty blob", "push blobs", may, t.pushEmpty},
		{"wrong content is refused", "push blobs", must, t.pushWrong},
		{"absent blobs are refused", push, may, t.pushIncomplete},
		{"second tag", push, must, t.tagAgain},
		{"move a tag", push, may, t.moveTag},
		{"list tags", push, must, t.listTags},
		{"list tags after one", "list tags", may, t.listTagsAfter},
		{"index", push, must, t.pushIndex},
		{"referrers", push, must, t.referTo},
		{"referrers of one type", "referrers", must, t.referToType},
		{"mount a blob", push, may, t.mount},
		{"missing tag, manifest and blob", push, must, t.missing},
		{"missing repository", push, must, t.missingRepository},
		{"catalog", push, may, t.catalog},
		{"capabilities", push, must, t.capabilities},
		{"delete a tag", push, may, t.untag},
		{"delete a manifest", push, may, t.deleteManifest},
		{"leave nothing behind", "", may, t.cleanUp},
	}
}

var errSkipped = errors.New("what it builds on has failed")

// run tries one check and counts its requests.
func run(ctx context.Context, c check, before Report) Check {
	if c.needs != "" && before.outcome(c.needs) != Passed {
		return Check{Name: c.name, Outcome: Skipped, Err: errSkipped}
	}
	var requests atomic.Int64
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { requests.Add(1) },
	})
	start := time.Now()
	err := c.try(traced)
	done := Check{Name: c.name, Err: err, Requests: int(requests.Load()), Took: time.Since(start)}
	switch {
	case c.need == may && errors.Is(err, registry.ErrUnsupported):
		done.Outcome = Unsupported
	case err != nil:
		done.Outcome = Failed
	}
	return done
}
