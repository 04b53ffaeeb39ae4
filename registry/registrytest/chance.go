package registrytest

import (
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"strings"
)

// chance decides by the seed and the request alone. The caller holds f.mu.
func (f *fault) chance(req *http.Request) bool {
	path := req.URL.Path
	if Uploads(req) || strings.HasPrefix(path, "/upload/") {
		path = path[:strings.LastIndex(path, "/")+1] // names of sessions are random
	}
	key := req.Method + " " + path
	nth := f.asked[key]
	f.asked[key]++
	h := fnv.New64a()
	h.Write([]byte(key))
	return rand.New(rand.NewPCG(f.Seed, h.Sum64()+nth)).Float64() < f.Probability
}
