package chart

import (
	"context"
	"sync"

	"github.com/portolan-oci/portolan/registry"
)

// answers notes who gave what an operation rests on.
type answers struct {
	mu      sync.Mutex
	content registry.Answer // the last that gave some
	tag     registry.Answer // of the mirror that resolved a tag
}

// noteAnswers returns a context whose operations are noted.
func noteAnswers(ctx context.Context) (context.Context, *answers) {
	a := new(answers)
	return registry.Observe(ctx, a.note), a
}

func (a *answers) note(answer registry.Answer) {
	if answer.Err != nil {
		return // what it gave did not count, and was asked for elsewhere
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.content = answer
	if answer.Tag {
		a.tag = answer
	}
}

// tagMirror is the mirror that said what a tag names; empty: none did.
func (a *answers) tagMirror() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tag.Host
}

// host is who gave the content, and whether that is a mirror.
func (a *answers) host() (host string, mirror bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.content.Host, a.content.Mirror
}
