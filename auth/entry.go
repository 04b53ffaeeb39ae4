package auth

import (
	"cmp"
	"slices"
)

// Entry is a credential that a Store keeps, without its secret.
type Entry struct {
	// Resource is what the credential is for; zero where its key names nothing
	// that a look-up asks for, such as those of docker's browser login.
	Resource Resource
	Username string // may be empty
	// Kind is "password", "identity token", "registry token", joined by " and
	// ". Empty where it is not known: a helper lists user names alone.
	Kind   string
	Origin Origin // its Key is spelled as it is there
	Err    error  // why the entry cannot be used; nil where it can
}

// sortEntries orders by host and path, then by where an entry is. What names
// nothing comes last.
func sortEntries(list []Entry) {
	slices.SortFunc(list, func(a, b Entry) int {
		named := func(e Entry) int {
			if e.Resource.Host == "" {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(named(a), named(b)), cmp.Compare(a.Resource.String(), b.Resource.String()),
			cmp.Compare(a.Origin.Location, b.Origin.Location), cmp.Compare(a.Origin.Key, b.Origin.Key))
	})
}
