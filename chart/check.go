package chart

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/internal/limit"
	"github.com/portolan-oci/portolan/registry"
)

// ReadConfig reads the chart's config, which repeats Chart.yaml, with one GET,
// or none where the cache holds it. It reads nothing of the archive, so nobody
// but whoever pushed vouches for it: see Check. The result is the caller's.
//
// Errors: those of ParseConfig; ErrTooLarge for more than 4 MiB;
// registry.ErrDigestMismatch; those of registry.Repository.
func (p *Pulled) ReadConfig(ctx context.Context) (*Metadata, error) {
	return readConfig(ctx, p.src, p.Origin.Resolved, p.Config)
}

// readConfig reads the config of the chart that ref names.
func readConfig(ctx context.Context, src registry.Source, ref registry.Reference, desc ocispec.Descriptor) (*Metadata, error) {
	data, err := readSmall(ctx, src, desc)
	if err != nil {
		return nil, notCached(ctx, err, src, ref, missingPart(PartConfig, desc))
	}
	m, err := ParseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("%s: config %s: %w", ref, desc.Digest, err)
	}
	return m, nil
}

// Check reads the archive to its end, so that everything in it is checked, and
// the config, and wants both to say the same: the config is what registries,
// listings and scanners show, the archive is what gets installed. It returns
// the metadata of Chart.yaml. Its version may still be another than that of
// the tag: compare it with Version where that matters.
//
// Errors: those of ReadConfig and Archive.Metadata; ErrInvalidManifest where
// config and Chart.yaml differ, which names the first field that does and both
// its values, as JSON.
func (p *Pulled) Check(ctx context.Context) (*Metadata, error) {
	config, err := p.ReadConfig(ctx)
	if err != nil {
		return nil, err
	}
	m, err := p.Archive.readMetadata(limit.WithContext(ctx, p.Archive.section()))
	if err == nil {
		err = sameMetadata(config, m)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Origin.Resolved, err)
	}
	return m, nil
}

// sameMetadata compares a config with Chart.yaml, in the form in which packing
// would write both: what Helm's versions write in different ways is the same.
func sameMetadata(config, archive *Metadata) error {
	inConfig, err := fields(config)
	if err != nil {
		return err
	}
	inArchive, err := fields(archive)
	if err != nil {
		return err
	}
	keys := slices.AppendSeq([]string{"name", "version"}, maps.Keys(inConfig))
	keys = slices.AppendSeq(keys, maps.Keys(inArchive))
	slices.Sort(keys[2:]) // a name or a version that differs says most
	for _, key := range keys {
		if a, b := inConfig[key], inArchive[key]; string(a) != string(b) {
			return fmt.Errorf("%w: %s is %s in the config and %s in Chart.yaml", ErrInvalidManifest, key, excerpt(a), excerpt(b))
		}
	}
	return nil
}

func fields(m *Metadata) (map[string]json.RawMessage, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	err = json.Unmarshal(data, &all)
	return all, err
}

// excerpt is a value for an error.
func excerpt(value json.RawMessage) string {
	if value == nil {
		return "missing"
	}
	const most = 200 // bytes
	if len(value) > most {
		return shown(string(value[:most])) + "…"
	}
	return shown(string(value))
}
