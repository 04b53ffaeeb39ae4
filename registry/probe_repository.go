package registry

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/internal/ocijson"
)

// nothing is a digest that no manifest has.
var nothing = digest.NewDigestFromEncoded(digest.SHA256, strings.Repeat("0", 64))

func (p *prober) referrers(ctx context.Context, known Capabilities, now time.Time) error {
	if p.repo == nil || known.Referrers.fresh(now, p.ref.Repository) {
		return nil
	}
	resp, err := p.ask(ctx, engine{repo: p.repo}.once, http.MethodGet, p.repo.url("referrers/"+string(nothing)), http.Header{"Accept": {ocispec.MediaTypeImageIndex}})
	if err != nil {
		return unknown(ctx, p, err, p.ref.Repository, func(k *Capabilities) *Fact[Support] { return &k.Referrers })
	}
	defer drain(resp.Body)
	has := Unknown
	switch {
	case resp.StatusCode == http.StatusOK:
		has = Unsupported // a web page, say
		if body, err := limit.ReadAll(resp.Body, maxManifest); err == nil {
			if index, err := ocijson.Parse(body); err == nil && index.Has("manifests") {
				has = Supported
			}
		}
	case absent(resp.StatusCode), resp.StatusCode == http.StatusBadRequest:
		e, _ := errors.AsType[*Error](WrapError("", Reference{}, failure(resp)))
		if !slices.Contains(e.Codes, "NAME_UNKNOWN") { // the repository is missing, and tells nothing
			has = Unsupported
		}
	}
	p.know(func(k *Capabilities, now time.Time) { foundOut(&k.Referrers, now, has, p.ref.Repository) })
	return nil
}

// tags asks for one tag: a registry that pages has a Link where there are more.
func (p *prober) tags(ctx context.Context, known Capabilities, now time.Time) error {
	if p.repo == nil || known.TagPaging.fresh(now, p.ref.Repository) {
		return nil
	}
	resp, err := p.ask(ctx, engine{repo: p.repo}.once, http.MethodGet, withQuery(p.repo.url("tags/list"), "n", "1"), nil)
	if err != nil {
		return unknown(ctx, p, err, p.ref.Repository, func(k *Capabilities) *Fact[Support] { return &k.TagPaging })
	}
	defer drain(resp.Body)
	pages := Unknown
	if resp.StatusCode == http.StatusOK {
		tags, err := decodeNames(resp.Body, "tags")
		switch {
		case nextLink(resp.Header.Values("Link")) != "":
			pages = Supported
		case err == nil && len(tags) > 1:
			pages = Unsupported
		}
	}
	p.know(func(k *Capabilities, now time.Time) { foundOut(&k.TagPaging, now, pages, p.ref.Repository) })
	return nil
}

// manifest asks for a manifest's ETag, and then with it.
func (p *prober) manifest(ctx context.Context, known Capabilities, now time.Time) error {
	if p.repo == nil || p.ref.Object() == "" || known.NotModified.fresh(now, p.ref.Repository) {
		return nil
	}
	u := p.repo.url("manifests/" + p.ref.Object())
	header := http.Header{"Accept": {strings.Join(manifestTypes, ", ")}}
	resp, err := p.ask(ctx, engine{repo: p.repo}.once, http.MethodHead, u, header)
	if err != nil {
		return unknown(ctx, p, err, p.ref.Repository, func(k *Capabilities) *Fact[Support] { return &k.ManifestETag })
	}
	drain(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return nil // there is no such manifest to ask about
	}
	tag := resp.Header.Get("ETag")
	p.know(func(k *Capabilities, now time.Time) { foundOut(&k.ManifestETag, now, supportOf(tag != ""), "") })
	if tag == "" {
		p.know(func(k *Capabilities, now time.Time) { k.NotModified.set(now, Unsupported, SourceProbe, 0, false) })
		return nil
	}
	header.Set("If-None-Match", tag)
	resp, err = p.ask(ctx, engine{repo: p.repo}.once, http.MethodHead, u, header)
	if err != nil {
		return unknown(ctx, p, err, p.ref.Repository, func(k *Capabilities) *Fact[Support] { return &k.NotModified })
	}
	drain(resp.Body)
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNotModified {
		p.know(func(k *Capabilities, now time.Time) {
			foundOut(&k.NotModified, now, supportOf(resp.StatusCode == http.StatusNotModified), "")
		})
	}
	return nil
}

func supportOf(does bool) Support {
	if does {
		return Supported
	}
	return Unsupported
}
