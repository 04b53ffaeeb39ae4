package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// PluginOptions configures a Plugin, with what the kubelet has for one in its
// CredentialProviderConfig. MatchImages must not be empty.
type PluginOptions struct {
	Args []string // of the program
	Env  Environ  // KEY=value, on top of this process's environment
	// MatchImages are the registries that the plugin is for, as
	// host[:port][/path]; labels of the host may hold the wildcards of
	// path.Match. For any other the plugin is not run.
	MatchImages []string
	// DefaultCacheDuration is how long an answer is kept that does not say it
	// itself; 0 keeps none of those.
	DefaultCacheDuration time.Duration
	// ServiceAccountToken returns the token of the Kubernetes service account
	// for which the plugin is to answer (KEP-4412). It is called for each
	// look-up; what was answered for another token does not count. At most one
	// of it and ServiceAccountTokenFile is set; with neither the plugin gets
	// no token.
	ServiceAccountToken func(context.Context) (Secret, error)
	// ServiceAccountTokenFile is a projected token, read as TokenFile does.
	ServiceAccountTokenFile string
	// ServiceAccountAnnotations go along with the token.
	ServiceAccountAnnotations map[string]string
	Timeout                   time.Duration // for one run; 0 is 30 s
	Logger                    *slog.Logger  // nil is silent
}

// Plugin is a Provider that runs a credential provider plugin of the kubelet
// (credentialprovider.kubelet.k8s.io/v1; KEP-2133), as cloud vendors ship them.
// It keeps answers for as long and for as much as they say: for the
// repository, the registry, or for all that the plugin is for. It asks anew
// when a fifth of that time is left, at most 30 s. Of its program one process
// runs at a time, and one run serves all who wait for the same. It is safe for
// concurrent use.
type Plugin struct {
	program string
	opts    PluginOptions
	log     *slog.Logger
	now     func() time.Time
	turn    turns
	flights flights[pluginQuestion, *pluginAnswer]

	mu   sync.Mutex
	kept map[pluginKey]*pluginAnswer
}

// NewPlugin returns a provider that runs program: a name, which is looked for
// on PATH when it is run, never in the current directory, or an absolute path.
// The program need not be there yet. Another path, no or malformed patterns,
// two sources of the service account token, annotations without one, and
// negative times are errors.
func NewPlugin(program string, opts *PluginOptions) (*Plugin, error) {
	p := &Plugin{program: program, now: time.Now, kept: make(map[pluginKey]*pluginAnswer)}
	if opts != nil {
		p.opts = *opts
	}
	if err := p.opts.check(); err != nil {
		return nil, fmt.Errorf("credential provider plugin %s: %w", program, err)
	}
	if program == "" || !filepath.IsAbs(program) && strings.ContainsAny(program, `/\`) {
		return nil, fmt.Errorf("credential provider plugin %q: give a name to look for on PATH, or an absolute path", program)
	}
	p.opts.Args, p.opts.Env = slices.Clone(p.opts.Args), slices.Clone(p.opts.Env)
	p.opts.MatchImages = slices.Clone(p.opts.MatchImages)
	p.opts.ServiceAccountAnnotations = maps.Clone(p.opts.ServiceAccountAnnotations)
	p.opts.Timeout = cmp.Or(p.opts.Timeout, helperDefaultTimeout)
	p.log = p.opts.Logger
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	return p, nil
}

func (o *PluginOptions) check() error {
	tokens := o.ServiceAccountToken != nil || o.ServiceAccountTokenFile != ""
	switch {
	case len(o.MatchImages) == 0:
		return errors.New("MatchImages is empty, so that it would never be run")
	case o.ServiceAccountToken != nil && o.ServiceAccountTokenFile != "":
		return errors.New("two sources of the service account token")
	case len(o.ServiceAccountAnnotations) > 0 && !tokens:
		return errors.New("annotations of a service account, and no token of it")
	case o.DefaultCacheDuration < 0 || o.Timeout < 0:
		return errors.New("negative time")
	}
	for _, text := range o.MatchImages {
		if _, err := parseImagePattern(text); err != nil {
			return fmt.Errorf("pattern %q: %w", text, err)
		}
	}
	return nil
}

// Format writes the program's name, for every verb.
func (p *Plugin) Format(f fmt.State, _ rune) { io.WriteString(f, p.origin("").String()) }

func (p *Plugin) origin(key string) Origin {
	return Origin{Kind: "credential provider plugin", Location: p.program, Key: key}
}

// Credential implements Provider. The plugin is asked for r as an image without
// a tag: host/path, or the host alone. Of the entries of its answer that match
// r and can be used the best one counts: a host name before a wildcard, then
// the longer path; the kubelet would try the others too. Expires is when the
// answer's time is over; it is zero for an answer that is not to be kept.
// Errors match ErrNoCredential, ErrHelper, or ErrConfigInvalid where it is the
// token file that cannot be read; or are the context's, or those of
// ServiceAccountToken.
func (p *Plugin) Credential(ctx context.Context, r Resource) (Credential, error) {
	return p.credential(ctx, r, func(*pluginAnswer) bool { return true })
}

// Renew implements Renewer.
func (p *Plugin) Renew(ctx context.Context, r Resource, rejected Credential) (Credential, error) {
	return p.credential(ctx, r, func(kept *pluginAnswer) bool {
		c, _ := p.choose(kept, r.canonical()) // zero: the answer has none
		return !c.sameSecrets(rejected)
	})
}

// Explain implements Explainer.
func (p *Plugin) Explain(ctx context.Context, r Resource) []Finding {
	if len(matchingImages(p.opts.MatchImages, r)) == 0 {
		return []Finding{{Origin: p.origin(""), Outcome: OutcomeNone, Reason: "it is not for this host: none of its patterns matches"}}
	}
	c, err := p.Credential(ctx, r)
	return []Finding{finding(p.origin(""), c, err)}
}

func (p *Plugin) credential(ctx context.Context, r Resource, good func(*pluginAnswer) bool) (Credential, error) {
	r = r.canonical()
	if len(matchingImages(p.opts.MatchImages, r)) == 0 {
		return Credential{}, ErrNoCredential
	}
	token, err := p.serviceAccountToken(ctx)
	if err != nil {
		return Credential{}, err
	}
	question := newPluginQuestion(r, token)
	for {
		if kept := p.find(question, good); kept != nil {
			return p.choose(kept, r)
		}
		asked := false
		answer, err := p.flights.do(ctx, question, func(ctx context.Context) (*pluginAnswer, error) {
			asked = true
			return p.ask(ctx, question, token, good)
		})
		if err != nil {
			return Credential{}, err
		}
		// Somebody else's question may be older than what is wanted.
		if asked || good(answer) {
			return p.choose(answer, r)
		}
	}
}

func (p *Plugin) serviceAccountToken(ctx context.Context) (Secret, error) {
	switch {
	case p.opts.ServiceAccountToken != nil:
		return p.opts.ServiceAccountToken(ctx)
	case p.opts.ServiceAccountTokenFile == "":
		return Secret{}, nil
	}
	token, err := readToken(p.opts.ServiceAccountTokenFile, false)
	if err != nil {
		return Secret{}, tokenFileError(Origin{Kind: "service account token file", Location: p.opts.ServiceAccountTokenFile}, err)
	}
	return NewSecret(token), nil
}

// ask runs the plugin, unless somebody has while this one waited for its turn.
func (p *Plugin) ask(ctx context.Context, q pluginQuestion, token Secret, good func(*pluginAnswer) bool) (*pluginAnswer, error) {
	path, err := exec.LookPath(p.program)
	if err != nil {
		return nil, helperError(p.origin(""), "it is not installed", err)
	}
	release, err := p.turn.take(ctx, "")
	if err != nil {
		return nil, err
	}
	defer release()
	if found := p.find(q, good); found != nil {
		return found, nil
	}
	start := p.now()
	out, err := p.run(ctx, path, q.image, token)
	if err != nil {
		return nil, err
	}
	answer, err := parsePluginAnswer(out)
	if err != nil {
		return nil, helperError(p.origin(""), "its answer cannot be used", err)
	}
	p.keep(q, answer, start)
	return answer, nil
}

func (p *Plugin) run(ctx context.Context, path, image string, token Secret) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	defer cancel()
	c := command{path: path, args: p.opts.Args, env: p.opts.Env, input: pluginInput(image, token, p.opts.ServiceAccountAnnotations)}
	out, err := c.run(limited)
	c.logStderr(ctx, p.log, p.program)
	switch {
	case err == nil:
		return out, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case limited.Err() != nil:
		return nil, helperError(p.origin(""), fmt.Sprintf("no answer within %s", p.opts.Timeout), nil)
	}
	e := helperError(p.origin(""), "it failed", err)
	if c.stderr.kept.Len() > 0 {
		e.Hint = "what it says on its standard error is in the log at debug level"
	}
	return nil, e
}
