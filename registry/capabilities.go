package registry

import (
	"fmt"
	"strconv"
	"strings"
)

// Capabilities are the protocol facts of one host, as it shows itself to one
// identity. They are about the host as a whole: where its repositories differ,
// as with immutable tags, they say that it was seen in one.
//
// Its JSON form has the keys of the fields' tags, all of them always.
type Capabilities struct {
	// Host is the registry, as in references.
	Host string `json:"host"`

	// API is the version that the registry declares
	// (Docker-Distribution-Api-Version), as in "registry/2.0". Empty: it does
	// not say.
	API Fact[string] `json:"apiVersion"`
	// Authentication is how it asks who is there, in its order. Empty: it does
	// not ask. nil: unknown.
	Authentication Fact[[]Challenge] `json:"authentication"`
	// Server is what it calls itself (Server header). Empty: it does not.
	Server Fact[string] `json:"server"`
	// Kind is the product or the service, as in "harbor", where something tells
	// it; see the source. Empty: unknown.
	Kind Fact[string] `json:"kind"`
	// Extensions are the names of the API's extensions that it announces (OCI
	// distribution spec, Extensions). Empty: it announces none. nil: unknown.
	Extensions Fact[[]string] `json:"extensions"`

	// Catalog is what Client.Repositories lists.
	Catalog Fact[CatalogAccess] `json:"catalog"`
	// Referrers is the API for referrers; without it they are kept under a tag.
	Referrers Fact[Support] `json:"referrers"`
	// TagPaging is whether lists of tags come in pages.
	TagPaging Fact[Support] `json:"tagPaging"`
	// TagPageSize is the number of tags in a page where nobody asks for fewer.
	// Zero: unknown.
	TagPageSize Fact[int] `json:"tagPageSize"`
	// ManifestETag is whether manifests come with an ETag; NotModified whether
	// one that is asked for with it costs no body (304).
	ManifestETag Fact[Support] `json:"manifestETag"`
	NotModified  Fact[Support] `json:"notModified"`

	// The rest is never asked for: only writes and large reads show it.

	// Ranges is whether a part of a blob can be had.
	Ranges Fact[Support] `json:"ranges"`
	// Mount is whether a blob can be taken from another repository.
	Mount Fact[Support] `json:"mount"`
	// Delete is whether content can be deleted, Untag whether tags can.
	Delete Fact[Support] `json:"delete"`
	Untag  Fact[Support] `json:"untag"`
	// ConditionalPut is whether a tag can be written on condition that nobody
	// else has (If-Match, If-None-Match).
	ConditionalPut Fact[Support] `json:"conditionalPut"`
	// ImmutableTags is whether a tag was seen that cannot be moved.
	ImmutableTags Fact[Support] `json:"immutableTags"`
	// ChunkMinimum is the least number of bytes in a chunk of an upload
	// (OCI-Chunk-Min-Length). Zero: unknown.
	ChunkMinimum Fact[int64] `json:"chunkMinimum"`

	// Requests is what this answer cost. What was known already cost nothing.
	Requests int `json:"requests"`
}

// Challenge is one way in which a registry asks who is there.
type Challenge struct {
	Scheme string `json:"scheme"` // "bearer", "basic", or another one in lower case
	// Realm is the address of the token server, or the name that basic
	// authentication gives; without what could be a secret.
	Realm   string `json:"realm,omitempty"`
	Service string `json:"service,omitempty"` // what the token server calls the registry
}

func (c Challenge) String() string {
	return strings.TrimSpace(strings.TrimSpace(c.Scheme+" "+c.Realm) + " " + c.Service)
}

// CapabilityRow is one fact for people.
type CapabilityRow struct {
	Name     string // the key of the JSON form
	Value    string // "unknown", "none" and "" included
	Source   FactSource
	Requests int
}

// Rows are the facts in the order of the fields.
func (c Capabilities) Rows() []CapabilityRow {
	return []CapabilityRow{
		row("apiVersion", c.API, text),
		row("authentication", c.Authentication, list[Challenge]),
		row("server", c.Server, text),
		row("kind", c.Kind, text),
		row("extensions", c.Extensions, list[string]),
		row("catalog", c.Catalog, CatalogAccess.String),
		row("referrers", c.Referrers, Support.String),
		row("tagPaging", c.TagPaging, Support.String),
		row("tagPageSize", c.TagPageSize, number[int]),
		row("manifestETag", c.ManifestETag, Support.String),
		row("notModified", c.NotModified, Support.String),
		row("ranges", c.Ranges, Support.String),
		row("mount", c.Mount, Support.String),
		row("delete", c.Delete, Support.String),
		row("untag", c.Untag, Support.String),
		row("conditionalPut", c.ConditionalPut, Support.String),
		row("immutableTags", c.ImmutableTags, Support.String),
		row("chunkMinimum", c.ChunkMinimum, number[int64]),
	}
}

// String prints one fact on each line.
func (c Capabilities) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", c.Host)
	for _, r := range c.Rows() {
		fmt.Fprintf(&b, "%s: %s (%s)\n", r.Name, r.Value, r.Source)
	}
	return b.String()
}

func row[T any](name string, f Fact[T], show func(T) string) CapabilityRow {
	return CapabilityRow{Name: name, Value: show(f.Value), Source: f.Source, Requests: f.Requests}
}

func text(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func number[T int | int64](n T) string {
	if n == 0 {
		return "unknown"
	}
	return strconv.FormatInt(int64(n), 10)
}

func list[T any](items []T) string {
	switch {
	case items == nil:
		return "unknown"
	case len(items) == 0:
		return "none"
	}
	all := make([]string, len(items))
	for i, item := range items {
		all[i] = fmt.Sprint(item)
	}
	return strings.Join(all, ", ")
}
