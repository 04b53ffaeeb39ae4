// Package bench compares Portolan with the libraries that its users could take
// instead: Helm's own SDK and oras-go. All contenders do the same job with the
// same charts at the same registry in one run.
//
// The benchmarks run in one process with the registry. The comparison
// (cmd/compare, and its short form as a test) gives each contender a process
// of its own, and so tells their memory and processor time apart from those of
// the registry.
package bench
