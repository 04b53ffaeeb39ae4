package chart_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// What cosign writes for "cosign sign --key" (cosign specs/SIGNATURE_SPEC.md):
// a manifest under the tag sha256-<hex>.sig, each of whose layers is a signed
// text about the digest, with the signature as an annotation.
const (
	simpleSigning       = "application/vnd.dev.cosign.simplesigning.v1+json"
	signatureKey        = "dev.cosignproject.cosign/signature"
	signatureType       = "cosign container image signature"
	maxSimpleSigning    = 64 << 10 // a text has some 300 bytes
	maxCosignSignatures = 32
	maxCosignManifest   = 4 << 20 // what registries take as a manifest
)

// cosignKey is a Verifier that wants a signature of one ECDSA key. It does not
// ask a transparency log, and knows no certificates.
type cosignKey struct {
	name string
	key  *ecdsa.PublicKey
}

func (c cosignKey) Verify(ctx context.Context, s chart.Subject) (string, error) {
	tag := strings.Replace(s.Manifest.Digest.String(), ":", "-", 1) + ".sig"
	desc, err := s.Source.Resolve(ctx, tag)
	if errors.Is(err, registry.ErrNotFound) {
		return "", fmt.Errorf("%w: no signature %s", chart.ErrVerification, tag)
	}
	if err != nil {
		return "", err // a registry that does not answer proves nothing
	}
	data, err := cosignFetch(ctx, s.Source, desc, maxCosignManifest)
	if err != nil {
		return "", err
	}
	var manifest ocispec.Manifest
	if err := json.Unmarshal(data, &manifest); err != nil {
		return "", fmt.Errorf("%w: signature %s: %v", chart.ErrVerification, tag, err)
	}
	for _, layer := range manifest.Layers[:min(len(manifest.Layers), maxCosignSignatures)] {
		if layer.MediaType != simpleSigning {
			continue
		}
		if ok, err := c.signed(ctx, s, layer); ok || err != nil {
			return c.name, err
		}
	}
	return "", fmt.Errorf("%w: %s has no signature of %s", chart.ErrVerification, tag, c.name)
}

// signed checks one signature, and that its text is about this very manifest.
func (c cosignKey) signed(ctx context.Context, s chart.Subject, layer ocispec.Descriptor) (bool, error) {
	text, err := cosignFetch(ctx, s.Source, layer, maxSimpleSigning)
	if err != nil {
		return false, err
	}
	signature, err := base64.StdEncoding.DecodeString(layer.Annotations[signatureKey])
	hash := sha256.Sum256(text)
	if err != nil || !ecdsa.VerifyASN1(c.key, hash[:], signature) {
		return false, nil // another key's, perhaps
	}
	var said simpleSigned
	if err := json.Unmarshal(text, &said); err != nil {
		return false, fmt.Errorf("%w: signed text: %v", chart.ErrVerification, err)
	}
	return said.Critical.Type == signatureType && said.Critical.Image.Digest == s.Manifest.Digest, nil
}

type simpleSigned struct {
	Critical struct {
		Identity struct {
			Reference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			Digest digest.Digest `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
}

// cosignFetch reads at most max bytes, verified against their digest.
func cosignFetch(ctx context.Context, from registry.Source, desc ocispec.Descriptor, max int64) ([]byte, error) {
	if desc.Size > max {
		return nil, fmt.Errorf("%w: %s has %d bytes", chart.ErrVerification, desc.Digest, desc.Size)
	}
	rc, err := from.Fetch(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}

// Signatures of other kinds plug in as a Verifier: here those that cosign
// makes with a key. The chart is pulled once before it is signed, and once
// after.
func ExampleVerifier() {
	ctx := context.Background()
	server := registrytest.New(nil)
	defer server.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	cosignCheck(err)
	registries, err := registry.NewClient(nil)
	cosignCheck(err)
	client, err := chart.NewClient(&chart.ClientOptions{
		Registry: registries,
		Verifier: cosignKey{"the release team", &key.PublicKey},
	})
	cosignCheck(err)
	packed, err := chart.Pack(ctx, "testdata/charts/mariner", nil)
	cosignCheck(err)
	defer packed.Close()
	ref := registry.Reference{Host: server.Host, Repository: "team/mariner"}
	pushed, err := client.Push(ctx, packed, ref, chart.PushOptions{})
	cosignCheck(err)

	_, err = client.Pull(ctx, ref, chart.PullOptions{})
	fmt.Println("not signed:", errors.Is(err, chart.ErrVerification))

	repo, err := registries.Repository(ref)
	cosignCheck(err)
	cosignSign(ctx, repo, key, pushed.Reference)
	pulled, err := client.Pull(ctx, ref, chart.PullOptions{})
	cosignCheck(err)
	defer pulled.Close()
	fmt.Println("signed by", pulled.Origin.VerifiedBy)
	// Output:
	// not signed: true
	// signed by [the release team]
}

// cosignSign does what "cosign sign --key" does, in a test's few lines.
func cosignSign(ctx context.Context, repo registry.Target, key *ecdsa.PrivateKey, ref registry.Reference) {
	var said simpleSigned
	said.Critical.Identity.Reference = ref.Name()
	said.Critical.Image.Digest = ref.Digest
	said.Critical.Type = signatureType
	text, err := json.Marshal(said)
	cosignCheck(err)
	hash := sha256.Sum256(text)
	signature, err := ecdsa.SignASN1(rand.Reader, key, hash[:])
	cosignCheck(err)
	config := cosignPut(ctx, repo, ocispec.MediaTypeImageConfig, []byte("{}"))
	layer := cosignPut(ctx, repo, simpleSigning, text)
	layer.Annotations = map[string]string{signatureKey: base64.StdEncoding.EncodeToString(signature)}
	manifest := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{layer}}
	manifest.SchemaVersion = 2
	data, err := json.Marshal(manifest)
	cosignCheck(err)
	desc := cosignPut(ctx, repo, manifest.MediaType, data)
	cosignCheck(repo.Tag(ctx, desc, strings.Replace(ref.Digest.String(), ":", "-", 1)+".sig"))
}

func cosignPut(ctx context.Context, to registry.Target, mediaType string, data []byte) ocispec.Descriptor {
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	cosignCheck(to.Push(ctx, desc, bytes.NewReader(data)))
	return desc
}

func cosignCheck(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
