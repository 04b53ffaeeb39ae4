package ecr

import (
	"context"
	"errors"
	"time"

	"github.com/aws/smithy-go/aws-http-auth/credentials"
)

// identity is an AWS access key and whom it stands for.
type identity struct {
	keys credentials.Credentials
	from string // for an Origin: "environment", "role arn:…"; no secret
}

// source is one place where an AWS identity can be. They are asked in order;
// the first that is configured decides, as in every AWS SDK: where it fails,
// no later one is asked, since that would be somebody else.
type source struct {
	name string
	// why there is nothing to ask; empty where the source decides.
	why absent
	// key tells whose temporary keys these are, so that those of another
	// configuration are never taken for them. Empty: nothing is kept.
	key  string
	keys func(context.Context) (identity, error)
}

// sources lists where an identity is looked for, in the order that the AWS
// SDKs document: environment, web identity, shared files, container, instance.
func (p *provider) sources(registryRegion string) []source {
	var list []source
	if p.opts.Profile == "" { // one that the program names goes before all others
		list = append(list, p.fromEnvironment(), p.fromWebIdentity(registryRegion))
	}
	list = append(list, p.fromProfile(registryRegion))
	if !p.opts.NoMetadata {
		list = append(list, p.fromContainer(), p.fromInstance())
	}
	return list
}

func (p *provider) fromEnvironment() source {
	s := source{name: "environment variables"}
	id, secret, session := p.getenv("AWS_ACCESS_KEY_ID"), p.getenv("AWS_SECRET_ACCESS_KEY"), p.getenv("AWS_SESSION_TOKEN")
	if id == "" && secret == "" {
		s.why = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"
		return s
	}
	s.keys = func(context.Context) (identity, error) {
		if id == "" || secret == "" {
			return identity{}, misconfigured(s.name, "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set", "set both or neither")
		}
		return identity{from: s.name, keys: credentials.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: session}}, nil
	}
	return s
}

// margin is how long before their end temporary keys are asked for anew. The
// services that hand them out have new ones at least five minutes before.
const margin = 5 * time.Minute

// roleKeys are the temporary keys of the last source that gave some.
type roleKeys struct {
	key string
	who identity
}

func (k roleKeys) good(key string, now time.Time, margin time.Duration) bool {
	return k.key == key && now.Add(margin).Before(k.who.keys.Expires)
}

// identify asks s, unless its keys from before are still good; again tells that
// they are such. One caller asks at a time, and the others then find what it
// has brought.
func (p *provider) identify(ctx context.Context, s source) (who identity, again bool, err error) {
	if s.key == "" {
		who, err = s.keys(ctx)
		return who, false, err
	}
	if err := p.take(ctx); err != nil {
		return identity{}, false, err
	}
	defer p.release()
	if p.roleKeys.good(s.key, p.now(), margin) {
		return p.roleKeys.who, true, nil
	}
	who, err = s.keys(ctx)
	if err != nil {
		// While a service is out of order, keys are used to their end.
		if ctx.Err() == nil && p.roleKeys.good(s.key, p.now(), 0) {
			return p.roleKeys.who, true, nil
		}
		return identity{}, false, err
	}
	p.roleKeys = roleKeys{s.key, who}
	return who, false, nil
}

// forget drops keys that AWS no longer accepts, unless others have come in
// their place.
func (p *provider) forget(ctx context.Context, who identity) {
	if p.take(ctx) != nil {
		return
	}
	defer p.release()
	if p.roleKeys.who == who {
		p.roleKeys = roleKeys{}
	}
}

// take waits for the turn. Only who has it reads and writes what is kept.
func (p *provider) take(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *provider) release() { <-p.turn }

// temporary checks what a service has handed out.
func temporary(from, id, secret, session string, expires, now time.Time) (identity, error) {
	switch {
	case id == "" || secret == "" || session == "":
		return identity{}, errors.New("there is no complete key")
	case expires.IsZero():
		return identity{}, errors.New("it does not say when the key ends")
	case !expires.After(now):
		return identity{}, errors.New("the key has already ended; check this machine's clock")
	}
	keys := credentials.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: session, Expires: expires}
	return identity{from: from, keys: keys}, nil
}
