package cache

import (
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestChildrenReadOneWay(t *testing.T) {
	a, b := digest.FromString("a"), digest.FromString("b")
	for _, text := range []string{
		`{"layers":[{"digest":"` + string(a) + `"}],"layers":[{"digest":"` + string(b) + `"}]}`,
		`{"layers":[{"digest":"` + string(a) + `"}],"Layers":[{"digest":"` + string(b) + `"}]}`,
		`{"layers":[{"digest":"` + string(a) + `","digeſt":"` + string(b) + `"}]}`,
	} {
		if below, err := children([]byte(text)); err == nil {
			t.Errorf("children(%s) = %v", text, below)
		}
	}
}

func FuzzChildren(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"sha256:../..","size":-1}]}`))
	f.Add([]byte(`{"mediaType":"application/vnd.oci.image.index.v1+json"}`))
	f.Add([]byte(`{"layers":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		below, err := children(data)
		if err != nil {
			return
		}
		for _, desc := range below {
			if desc.Digest.Validate() != nil || desc.Size < 0 {
				t.Fatalf("child %+v", desc)
			}
		}
	})
}
