package auth

import "context"

// parts lists the entries that p has for parts of r, which go before one for r
// there. Files and memory alone have such entries.
func parts(ctx context.Context, p Provider, r Resource) []Origin {
	var list []Entry
	switch p := p.(type) {
	case chain:
		var all []Origin
		for _, one := range p {
			all = append(all, parts(ctx, one, r)...)
		}
		return uniqueOrigins(all)
	case *cached:
		return parts(ctx, p.answers.provider, r)
	case *forHosts:
		return parts(ctx, p.provider, r)
	case *FileStore:
		if cfg, err := p.read(); err == nil {
			list = p.entries(cfg).list() // and not what helpers keep: they know hosts alone
			sortEntries(list)
		}
	case *MemoryStore:
		list, _ = p.List(ctx)
	}
	var origins []Origin
	for _, e := range list {
		if e.Err == nil && e.Resource.Path != "" && e.Resource.canonical() != r.canonical() && r.covers(e.Resource) {
			origins = append(origins, e.Origin)
		}
	}
	return origins
}
