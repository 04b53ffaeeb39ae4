package portolan_test

import (
	"context"
	"crypto/ed25519"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"unsafe"

	"github.com/portolan-oci/portolan/auth"
)

// filler puts a canary wherever a value can hold a secret: also in fields of
// ours that are not exported, and below pointers, in slices and in maps.
type filler struct{ planted int }

// secretsOf are types whose content is a secret, or has one in it, with such a
// value.
func secretsOf() map[reflect.Type]any {
	c := auth.Credential{Username: "bob", Password: auth.NewSecret(canary), IdentityToken: auth.NewSecret(canary), RegistryToken: auth.NewSecret(canary)}
	memory := auth.NewMemoryStore()
	if _, err := memory.Put(context.Background(), auth.Resource{Host: "r.example"}, c); err != nil {
		panic(err)
	}
	signed := &url.URL{Scheme: "https", Host: "s3.example", User: url.UserPassword("u", canary), RawQuery: "sig=" + canary}
	return map[reflect.Type]any{
		reflect.TypeFor[auth.Secret]():   auth.NewSecret(canary),
		reflect.TypeFor[auth.Provider](): auth.Static(auth.Resource{Host: "r.example"}, c),
		reflect.TypeFor[auth.Store]():    memory,
		reflect.TypeFor[http.Header]():   http.Header{"X-Key": {canary}},
		reflect.TypeFor[*url.URL]():      signed,
		reflect.TypeFor[url.URL]():       *signed,
	}
}

var (
	planting   = secretsOf()
	privateKey = ed25519.PrivateKey(strings.Repeat(canary, 6)[:ed25519.PrivateKeySize])
)

// fills tells how many secrets a value of a type would get.
func (f *filler) fills(t reflect.Type) int {
	f.fill(reflect.New(t).Elem(), 0)
	return f.planted
}

func (f *filler) fill(v reflect.Value, depth int) {
	if depth > 8 {
		return
	}
	if !v.CanSet() { // a field that is not exported
		v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
	}
	if secret, ok := planting[v.Type()]; ok {
		v.Set(reflect.ValueOf(secret))
		f.planted++
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		f.fillStruct(v, depth)
	case reflect.Pointer:
		if ours(v.Type().Elem()) {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem(), depth+1)
		}
	case reflect.Slice:
		if k := v.Type().Elem().Kind(); k == reflect.Struct || k == reflect.Pointer || k == reflect.Interface || k == reflect.Map {
			one := reflect.MakeSlice(v.Type(), 1, 1)
			f.fill(one.Index(0), depth+1)
			if !one.Index(0).IsZero() {
				v.Set(one)
			}
		}
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key, depth+1)
		f.fill(value, depth+1)
		if key.Comparable() {
			m.SetMapIndex(key, value)
			v.Set(m)
		}
	}
}

func (f *filler) fillStruct(v reflect.Value, depth int) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		switch {
		case field.Name == "PrivateKey" && field.Type.Kind() == reflect.Interface: // of tls.Certificate
			v.Field(i).Set(reflect.ValueOf(privateKey))
			f.planted++
		case field.IsExported() || ours(v.Type()):
			f.fill(v.Field(i), depth+1)
		}
	}
}

// ours tells whether a type is of this module, so that nothing of others is
// made up from the inside.
func ours(t reflect.Type) bool {
	return t.PkgPath() == module || strings.HasPrefix(t.PkgPath(), module+"/") || t.PkgPath() == "crypto/tls" && t.Name() == "Certificate"
}
