package cache

import (
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/ocijson"
	"github.com/portolan-oci/portolan/registry"
)

// referrersName is the annotation of an entry whose referrers have all come
// along, as far as the registry listed any: that none are there says that there
// were none.
const referrersName = "io.github.portolan-oci.referrers"

// allReferrers is its value.
const allReferrers = "all"

// nameEntries gives the roots their names in index.json, and their referrers a
// place in it. What had one of these names has it no longer.
func nameEntries(entries []ocispec.Descriptor, roots []ExportedRoot) []ocispec.Descriptor {
	want := make(map[string]digest.Digest, len(roots))
	for _, root := range roots {
		want[root.Reference.String()] = root.Descriptor.Digest
	}
	listed := map[digest.Digest]bool{}
	has := map[string]bool{}
	free := map[digest.Digest]int{} // entries without a name
	for i := range entries {
		name, _ := strings.CutPrefix(entries[i].Annotations[ocijson.AnnotationImageName], "oci://")
		if d, ok := want[name]; ok && (d != entries[i].Digest || has[name]) {
			delete(entries[i].Annotations, ocijson.AnnotationImageName)
			delete(entries[i].Annotations, ocispec.AnnotationRefName)
		} else if ok {
			has[name] = true
		}
		listed[entries[i].Digest] = true
		if entries[i].Annotations[ocijson.AnnotationImageName] == "" && entries[i].Annotations[ocispec.AnnotationRefName] == "" {
			free[entries[i].Digest] = i
		}
	}
	for _, root := range roots {
		if name := root.Reference.String(); !has[name] {
			entries = addName(entries, free, root.Descriptor, name)
			listed[root.Descriptor.Digest] = true
		}
	}
	complete := map[digest.Digest]bool{}
	for _, root := range roots {
		complete[root.Descriptor.Digest] = complete[root.Descriptor.Digest] || root.listed
		for _, desc := range root.Referrers {
			if !listed[desc.Digest] {
				entries, listed[desc.Digest] = append(entries, plain(desc)), true
			}
		}
	}
	for i := range entries {
		if complete[entries[i].Digest] {
			annotate(&entries[i], referrersName, allReferrers)
		}
	}
	return spellNames(entries)
}

func annotate(entry *ocispec.Descriptor, key, value string) {
	if entry.Annotations == nil {
		entry.Annotations = map[string]string{}
	}
	entry.Annotations[key] = value
}

// addName names an entry that has no name yet, or a new one.
func addName(entries []ocispec.Descriptor, free map[digest.Digest]int, desc ocispec.Descriptor, name string) []ocispec.Descriptor {
	i, ok := free[desc.Digest]
	if !ok {
		i, entries = len(entries), append(entries, plain(desc))
	}
	delete(free, desc.Digest)
	annotate(&entries[i], ocijson.AnnotationImageName, name)
	return entries
}

// spellNames writes what other tools look for: the tag where that is enough to
// tell entries apart, and the whole reference elsewhere.
func spellNames(entries []ocispec.Descriptor) []ocispec.Descriptor {
	repositories := map[string]bool{}
	for _, entry := range entries {
		if ref, ok := wholeName(entry, ocijson.AnnotationImageName); ok {
			repositories[ref.Name()] = true
		} else if entry.Annotations[ocispec.AnnotationRefName] != "" {
			repositories[""] = true // somebody else's, which stays as it is
		}
	}
	for _, entry := range entries {
		ref, ok := wholeName(entry, ocijson.AnnotationImageName)
		switch {
		case !ok:
		case len(repositories) > 1:
			entry.Annotations[ocispec.AnnotationRefName] = ref.String()
		case ref.Digest == "":
			entry.Annotations[ocispec.AnnotationRefName] = ref.Tag
		default:
			delete(entry.Annotations, ocispec.AnnotationRefName)
		}
	}
	return entries
}

// wholeName is the reference that an entry has in whole in one of these
// annotations, the first that has one.
func wholeName(entry ocispec.Descriptor, keys ...string) (registry.Reference, bool) {
	for _, key := range keys {
		ref, err := registry.ParseReference(entry.Annotations[key])
		if err == nil && ref.Object() != "" {
			return ref, true
		}
	}
	return registry.Reference{}, false
}

func plain(desc ocispec.Descriptor) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size}
}
