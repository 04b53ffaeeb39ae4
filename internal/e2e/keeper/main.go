// Keeper is a controller in small: it pulls one chart and pushes it to new
// repositories, over and over with the credentials that its user has, or with
// the pull secret in the file KEEPER_PULL_SECRET, until its standard input ends. Then it prints how often it did either. Everything
// that fails is a line on standard error, and exit status 1 in the end.
//
//	keeper HOST/PATH ARCHIVE
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"time"

	"github.com/portolan-oci/portolan/auth"
	"github.com/portolan-oci/portolan/chart"
	"github.com/portolan-oci/portolan/registry"
)

// pause lies between two operations, so that several of these share a machine.
const pause = 15 * time.Millisecond

// ahead is how many pushes lie between a look and the push there.
const ahead = 12

func main() {
	log.SetFlags(log.Lmicroseconds)
	if len(os.Args) != 3 {
		log.Fatal("usage: keeper HOST/PATH ARCHIVE")
	}
	k, err := newKeeper(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	stop := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stop)
	}()
	var pulls, pushes tally
	var all sync.WaitGroup
	all.Go(func() { pulls.repeat(stop, func(int) error { return k.pull(ctx) }) })
	all.Go(func() { pushes.repeat(stop, func(n int) error { return k.push(ctx, n) }) })
	all.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(map[string]tally{"pulls": pulls, "pushes": pushes}); err != nil {
		log.Fatal(err)
	}
	if pulls.Failed+pushes.Failed > 0 {
		os.Exit(1)
	}
}

type tally struct{ Done, Failed int }

func (t *tally) repeat(stop <-chan struct{}, do func(int) error) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-time.After(pause):
		}
		if err := do(n); err != nil {
			log.Print(err)
			t.Failed++
			continue
		}
		t.Done++
	}
}

type keeper struct {
	charts *chart.Client
	packed *chart.Packed
	at     string
}

func newKeeper(at, archive string) (*keeper, error) {
	credentials, err := auth.NewDefault(nil)
	if secret := os.Getenv("KEEPER_PULL_SECRET"); secret != "" {
		credentials = auth.FromDockerConfigFile(secret, auth.MatchKubelet)
	}
	if err != nil {
		return nil, err
	}
	registries, err := registry.NewClient(&registry.Options{Credentials: credentials})
	if err != nil {
		return nil, err
	}
	charts, err := chart.NewClient(&chart.ClientOptions{Registry: registries})
	if err != nil {
		return nil, err
	}
	packed, err := chart.Pack(context.Background(), archive, nil)
	return &keeper{charts, packed, at}, err
}

func (k *keeper) pull(ctx context.Context) error {
	ref, err := registry.ParseReference(k.at + "/harbour:1.0.0")
	if err != nil {
		return err
	}
	pulled, err := k.charts.Pull(ctx, ref, chart.PullOptions{})
	if err != nil {
		return err
	}
	defer pulled.Close()
	if pulled.Layer.Digest != k.packed.Layer.Digest {
		return fmt.Errorf("another chart came: %s", pulled.Layer.Digest)
	}
	return nil
}

// push looks for a chart where one will be pushed a while later, and pushes
// where it looked then: the credential that was found at that time is kept, and
// may be none any more when a token for more than reading is asked for.
func (k *keeper) push(ctx context.Context, n int) error {
	later, err := registry.ParseReference(fmt.Sprintf("%s/kept-%d:1.0.0", k.at, n+ahead))
	if err != nil {
		return err
	}
	if _, err := k.charts.Resolve(ctx, later, chart.Selector{}); !errors.Is(err, registry.ErrNotFound) {
		return fmt.Errorf("nothing is there yet: %w", err)
	}
	now, err := registry.ParseReference(fmt.Sprintf("%s/kept-%d", k.at, n))
	if err != nil {
		return err
	}
	_, err = k.charts.Push(ctx, k.packed, now, chart.PushOptions{})
	return err
}
