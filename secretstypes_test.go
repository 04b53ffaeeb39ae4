package portolan_test

import (
	"reflect"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/auth/device"
	"github.com/portolan-oci/portolan/cache"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/classic"
	"github.com/portolan-oci/portolan/chart/provenance"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/hostfile"
	"github.com/portolan-oci/portolan/registry/layout"
)

// printed are all struct types that we export, but those of registrytest.
var printed = []reflect.Type{
	reflect.TypeFor[auth.CacheOptions](),
	reflect.TypeFor[auth.CapabilitySet](),
	reflect.TypeFor[auth.Challenge](),
	reflect.TypeFor[auth.Credential](),
	reflect.TypeFor[auth.DefaultOptions](),
	reflect.TypeFor[auth.Entry](),
	reflect.TypeFor[auth.Error](),
	reflect.TypeFor[auth.FileOptions](),
	reflect.TypeFor[auth.FileStore](),
	reflect.TypeFor[auth.Finding](),
	reflect.TypeFor[auth.Hint](),
	reflect.TypeFor[auth.LoginOptions](),
	reflect.TypeFor[auth.LoginResult](),
	reflect.TypeFor[auth.LogoutResult](),
	reflect.TypeFor[auth.MemoryStore](),
	reflect.TypeFor[auth.Origin](),
	reflect.TypeFor[auth.PluginOptions](),
	reflect.TypeFor[auth.Plugin](),
	reflect.TypeFor[auth.Resource](),
	reflect.TypeFor[auth.Scope](),
	reflect.TypeFor[auth.Secret](),
	reflect.TypeFor[auth.SignerOptions](),
	reflect.TypeFor[auth.Signer](),
	reflect.TypeFor[auth.TokenFileOptions](),
	reflect.TypeFor[auth.TokenFile](),

	reflect.TypeFor[device.Endpoint](),
	reflect.TypeFor[device.Error](),
	reflect.TypeFor[device.Flow](),
	reflect.TypeFor[device.Prompt](),
	reflect.TypeFor[device.Token](),

	reflect.TypeFor[device.Endpoint](),
	reflect.TypeFor[device.Error](),
	reflect.TypeFor[device.Flow](),
	reflect.TypeFor[device.Prompt](),
	reflect.TypeFor[device.Token](),

	reflect.TypeFor[registry.Answer](),
	reflect.TypeFor[registry.AuthHint](),
	reflect.TypeFor[registry.Capabilities](),
	reflect.TypeFor[registry.CapabilityRow](),
	reflect.TypeFor[registry.Challenge](),
	reflect.TypeFor[registry.Client](),
	reflect.TypeFor[registry.Error](),
	reflect.TypeFor[registry.Fact[string]](),
	reflect.TypeFor[registry.HostConfig](),
	reflect.TypeFor[registry.LoginOptions](),
	reflect.TypeFor[registry.Mirror](),
	reflect.TypeFor[registry.LoginOptions](),
	reflect.TypeFor[registry.MissingError](),
	reflect.TypeFor[registry.Options](),
	reflect.TypeFor[registry.PageError](),
	reflect.TypeFor[registry.RateLimit](),
	reflect.TypeFor[registry.Reference](),
	reflect.TypeFor[registry.ReferenceError](),
	reflect.TypeFor[registry.Repository](),
	reflect.TypeFor[registry.Retry](),
	reflect.TypeFor[registry.Rewrite](),
	reflect.TypeFor[registry.Step](),
	reflect.TypeFor[registry.TLS](),
	reflect.TypeFor[registry.Transfer](),

	reflect.TypeFor[hostfile.Error](),
	reflect.TypeFor[hostfile.Registries](),

	reflect.TypeFor[layout.Dir](),
	reflect.TypeFor[layout.Tar](),
	reflect.TypeFor[layout.TarWriter](),

	reflect.TypeFor[cache.CollectOptions](),
	reflect.TypeFor[cache.Collection](),
	reflect.TypeFor[cache.Content](),
	reflect.TypeFor[cache.Entry](),
	reflect.TypeFor[cache.Limits](),
	reflect.TypeFor[cache.Fault](),
	reflect.TypeFor[cache.ExportOptions](),
	reflect.TypeFor[cache.ExportRoot](),
	reflect.TypeFor[cache.Exported](),
	reflect.TypeFor[cache.ExportedRoot](),
	reflect.TypeFor[cache.ImportOptions](),
	reflect.TypeFor[cache.Imported](),
	reflect.TypeFor[cache.ImportedRoot](),
	reflect.TypeFor[cache.IncompleteError](),
	reflect.TypeFor[cache.Missing](),
	reflect.TypeFor[cache.Listing](),
	reflect.TypeFor[cache.Options](),
	reflect.TypeFor[cache.Policy](),
	reflect.TypeFor[cache.Removal](),
	reflect.TypeFor[cache.Resolution](),
	reflect.TypeFor[cache.Source](),
	reflect.TypeFor[cache.Store](),
	reflect.TypeFor[cache.TagMoved](),
	reflect.TypeFor[cache.VerifyOptions](),

	reflect.TypeFor[chart.Archive](),
	reflect.TypeFor[chart.ArchiveError](),
	reflect.TypeFor[chart.ArchiveOptions](),
	reflect.TypeFor[chart.Client](),
	reflect.TypeFor[chart.ClientOptions](),
	reflect.TypeFor[chart.Copied](),
	reflect.TypeFor[chart.CopyOptions](),
	reflect.TypeFor[chart.CopySource](),
	reflect.TypeFor[chart.CopyTarget](),
	reflect.TypeFor[chart.DependenciesError](),
	reflect.TypeFor[chart.Dependency](),
	reflect.TypeFor[chart.DependencyError](),
	reflect.TypeFor[chart.DependencyList](),
	reflect.TypeFor[chart.DependencyOptions](),
	reflect.TypeFor[chart.DependencyStatus](),
	reflect.TypeFor[chart.Entry](),
	reflect.TypeFor[chart.ExportOptions](),
	reflect.TypeFor[chart.Exported](),
	reflect.TypeFor[chart.IndexError](),
	reflect.TypeFor[chart.IndexedChart](),
	reflect.TypeFor[chart.Layers](),
	reflect.TypeFor[chart.Limits](),
	reflect.TypeFor[chart.Lock](),
	reflect.TypeFor[chart.LockError](),
	reflect.TypeFor[chart.Maintainer](),
	reflect.TypeFor[chart.Metadata](),
	reflect.TypeFor[chart.MetadataError](),
	reflect.TypeFor[chart.MissingPart](),
	reflect.TypeFor[chart.NoMatchError](),
	reflect.TypeFor[chart.NotCachedError](),
	reflect.TypeFor[chart.Origin](),
	reflect.TypeFor[chart.PackOptions](),
	reflect.TypeFor[chart.PackageOptions](),
	reflect.TypeFor[chart.Packed](),
	reflect.TypeFor[chart.Pin](),
	reflect.TypeFor[chart.PullOptions](),
	reflect.TypeFor[chart.Pulled](),
	reflect.TypeFor[chart.PushOptions](),
	reflect.TypeFor[chart.Pushed](),
	reflect.TypeFor[chart.Resolved](),
	reflect.TypeFor[chart.Selector](),
	reflect.TypeFor[chart.Subject](),
	reflect.TypeFor[chart.Version](),
	reflect.TypeFor[chart.VersionOptions](),

	reflect.TypeFor[classic.Copied](),
	reflect.TypeFor[classic.CopyOptions](),
	reflect.TypeFor[classic.Entry](),
	reflect.TypeFor[classic.EntryError](),
	reflect.TypeFor[classic.Options](),
	reflect.TypeFor[classic.Repositories](),
	reflect.TypeFor[classic.Repository](),

	reflect.TypeFor[provenance.Key](),
	reflect.TypeFor[provenance.Keyring](),
	reflect.TypeFor[provenance.Options](),
	reflect.TypeFor[provenance.Signer](),
	reflect.TypeFor[provenance.Verification](),
	reflect.TypeFor[provenance.Verifier](),
}

// printedWhole hold types of net/http and crypto/tls, whose content fmt prints
// where it may not call methods: in a field of somebody's struct that is not
// exported, and no pointer. Nothing of ours can prevent that.
var printedWhole = []reflect.Type{reflect.TypeFor[registry.HostConfig](), reflect.TypeFor[registry.TLS]()}

// usedByPointer are never values: their constructors give pointers. Of a copy
// in such a field fmt prints one level more.
var usedByPointer = []reflect.Type{reflect.TypeFor[registry.Client](), reflect.TypeFor[classic.Repository]()}
