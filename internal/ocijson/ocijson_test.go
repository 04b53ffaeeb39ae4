package ocijson

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name, in, says string // says "": accepted
	}{
		{"empty", `{}`, ""},
		{"null lists", `{"layers":null,"config":null,"annotations":null}`, ""},
		{"annotations in two cases", `{"annotations":{"a":"1","A":"2"},"layers":[{"annotations":{"Digest":"x","digest":"y"}}]}`, ""},
		{"extension in two cases", `{"x.y":{"Layers":1,"layers":2}}`, ""},
		{"escaped key", `{"lay\u0065rs":[]}`, ""},
		{"list as long as may be", `{"manifests":[{}` + strings.Repeat(",{}", MaxDescriptors-1) + `]}`, ""},

		{"twice", `{"layers":[],"layers":[]}`, `"layers" twice`},
		{"twice, once escaped", `{"layers":[],"lay\u0065rs":[]}`, `"layers" twice`},
		{"upper case", `{"layers":[],"LAYERS":[]}`, "upper and lower case"},
		{"upper case first", `{"Layers":[],"layers":[]}`, `take for "layers"`},
		{"upper case alone", `{"Config":{}}`, `take for "config"`},
		{"long s", `{"layerſ":[]}`, `take for "layers"`},
		{"Kelvin sign", "{\"layers\":[],\"x\u212a\":1,\"xk\":2}", "upper and lower case"},
		{"in a layer", `{"layers":[{"digest":"a","digest":"b"}]}`, "twice"},
		{"in the config", `{"config":{"mediaType":"a","mediatype":"b"}}`, "upper and lower case"},
		{"in a manifest", `{"manifests":[{},{"Size":1}]}`, `take for "size"`},
		{"in a platform", `{"manifests":[{"platform":{"OS":"linux"}}]}`, `take for "os"`},
		{"in the subject", `{"subject":{"DIGEST":""}}`, `take for "digest"`},
		{"in a list of lists", `{"layers":[[{"Size":1}]]}`, `take for "size"`},
		{"in annotations", `{"annotations":{"a":"1","a":"2"}}`, "twice"},
		{"in an extension", `{"x":[{"y":{"a":1,"a":2}}]}`, "twice"},
		{"invalid UTF-8", "{\"a\xff\":1}", "UTF-8"},
		{"list", `[]`, "not a JSON object"},
		{"null", `null`, "not a JSON object"},
		{"nothing", ``, "unexpected EOF"},
		{"cut off", `{"layers":[{`, "unexpected EOF"},
		{"two", `{} {}`, "goes on"},
		{"wrong type", `{"layers":{}}`, "cannot unmarshal"},
		{"size that is no integer", `{"config":{"size":1e2}}`, "cannot unmarshal"},
		{"many layers", `{"layers":[{}` + strings.Repeat(",{}", MaxDescriptors) + `]}`, "10000 descriptors"},
		{"many values", `{"x":[1` + strings.Repeat(",1", maxValues) + `]}`, "values"},
		{"deep", `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "deeper"},
		{"long", strings.Repeat(" ", MaxSize) + `{}`, "bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := Parse([]byte(tc.in))
			if tc.says == "" {
				if err != nil || m == nil {
					t.Errorf("Parse = %v, %v", m, err)
				}
				return
			}
			if err == nil || m != nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("Parse = %v, %v, want an error with %q", m, err, tc.says)
			}
		})
	}
}

func TestHas(t *testing.T) {
	m, err := Parse([]byte(`{"manifests":null,"config":{"digest":"x"}}`))
	if err != nil || !m.Has("manifests") || !m.Has("config") || m.Has("layers") || m.Has("digest") {
		t.Errorf("%+v, %v", m, err)
	}
}

// FuzzParse holds what Parse found against a reader that knows no case folding
// and takes the first of equal keys, where encoding/json takes the last.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"config":{"mediaType":"x","digest":"d","size":2},"layers":[{"digest":"a","size":1}],"annotations":{"a":"b"}}`))
	f.Add([]byte(`{"layers":[],"LAYERS":[{"digest":"b"}]}`))
	f.Add([]byte(`{"layers":[{"digest":"a","digeſt":"b"}]}`))
	f.Add([]byte(`{"manifests":[{"platform":{"os":"linux","OS":"x"}}],"manifests":null}`))
	f.Add([]byte(`{"x":[[{"a":1}]],"blobs":[{"data":"AA=="}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data)
		if err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatal("accepted what is no JSON")
		}
		top := firstKeys(t, data)
		for key, got := range map[string][]ocispec.Descriptor{"layers": m.Layers, "manifests": m.Manifests, "blobs": m.Blobs} {
			var list []json.RawMessage
			if raw, ok := top[key]; ok && json.Unmarshal(raw, &list) != nil {
				t.Fatalf("%s is no list", key)
			}
			if len(list) != len(got) {
				t.Fatalf("%s has %d elements, and %d to another reader", key, len(got), len(list))
			}
			for i := range list {
				sameDescriptor(t, got[i], list[i])
			}
		}
		if m.Config != nil {
			sameDescriptor(t, *m.Config, top["config"])
		}
	})
}

func sameDescriptor(t *testing.T, got ocispec.Descriptor, raw json.RawMessage) {
	t.Helper()
	if bytes.Equal(raw, []byte("null")) {
		raw = []byte("{}")
	}
	keys := firstKeys(t, raw)
	var want ocispec.Descriptor
	for key, into := range map[string]any{"mediaType": &want.MediaType, "digest": &want.Digest, "size": &want.Size, "platform": &want.Platform} {
		if value, ok := keys[key]; ok {
			if err := json.Unmarshal(value, into); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got.MediaType != want.MediaType || got.Digest != want.Digest || got.Size != want.Size || !reflect.DeepEqual(got.Platform, want.Platform) {
		t.Fatalf("descriptor %+v, and to another reader %+v", got, want)
	}
}

// firstKeys reads an object, case by case, the first of equal keys.
func firstKeys(t *testing.T, data []byte) map[string]json.RawMessage {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	first := map[string]json.RawMessage{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			t.Fatal(err)
		}
		if _, ok := first[key.(string)]; !ok {
			first[key.(string)] = value
		}
	}
	return first
}
