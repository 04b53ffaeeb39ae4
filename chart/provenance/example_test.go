package provenance_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/chart/provenance"
	"github.com/portolan-oci/portolan/registry"
	"github.com/portolan-oci/portolan/registry/registrytest"
)

// A chart is signed while it is packed, travels with its provenance file, and
// is verified before a byte of it is handed out.
func Example() {
	ctx := context.Background()
	secring, pubring := exampleKeys() // in life, LoadKeyring of two files

	key := must1(secring.SigningKey("ana@example.com"))
	signer := must1(provenance.NewSigner(ctx, key, nil)) // its key has no passphrase
	packed := must1(chart.Pack(ctx, "../testdata/charts/mariner", &chart.PackOptions{Signer: signer}))
	defer packed.Close()

	server := registrytest.New(nil) // any registry will do
	defer server.Close()
	client := must1(chart.NewClient(&chart.ClientOptions{
		Registry: must1(registry.NewClient(nil)),
		Verifier: must1(provenance.NewVerifier(pubring, nil)),
	}))
	ref := registry.Reference{Host: server.Host, Repository: "team/mariner"}
	must1(client.Push(ctx, packed, ref, chart.PushOptions{}))

	pulled := must1(client.Pull(ctx, ref, chart.PullOptions{}))
	defer pulled.Close()
	fmt.Println(pulled.Version, "verified:", pulled.Origin.VerifiedBy[0][:len("Ana <ana@example.com>")])
	// Output: 0.3.1 verified: Ana <ana@example.com>
}

func exampleKeys() (secring, pubring *provenance.Keyring) {
	e := must1(openpgp.NewEntity("Ana", "", "ana@example.com", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA}))
	var sec, pub bytes.Buffer
	if err := e.SerializePrivate(&sec, nil); err != nil {
		log.Fatal(err)
	}
	if err := e.Serialize(&pub); err != nil {
		log.Fatal(err)
	}
	return must1(provenance.ReadKeyring(&sec)), must1(provenance.ReadKeyring(&pub))
}

func must1[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
