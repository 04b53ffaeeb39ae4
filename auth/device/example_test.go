package device_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/auth/device"
)

// A person confirms in a browser, and the provider's token becomes the
// password for a registry.
func Example() {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/device" {
			fmt.Fprint(w, `{"device_code":"GmRh","user_code":"WDJB-MJHT","verification_uri":"https://login.example.com/device","expires_in":900,"interval":1}`)
			return
		}
		fmt.Fprint(w, `{"access_token":"eyJh","token_type":"Bearer","expires_in":3600}`)
	}))
	defer provider.Close()

	flow := &device.Flow{
		Endpoint: device.Endpoint{DeviceURL: provider.URL + "/device", TokenURL: provider.URL + "/token"},
		ClientID: "portolan",
		Scopes:   []string{"registry"},
	}
	show := func(_ context.Context, p device.Prompt) error {
		fmt.Printf("open %s and enter %s\n", p.URI, p.UserCode)
		return nil
	}
	credential, err := flow.Credential(context.Background(), device.PrompterFunc(show), device.AsPassword("alice"))
	if err != nil {
		fmt.Println(err)
		return
	}
	store := auth.NewMemoryStore() // auth.Login would check it with the registry first
	if _, err := store.Put(context.Background(), auth.Resource{Host: "registry.example.com"}, credential); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(credential.Username, credential.Password)
	// Output:
	// open https://login.example.com/device and enter WDJB-MJHT
	// alice REDACTED
}
