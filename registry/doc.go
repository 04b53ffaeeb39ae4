// Package registry speaks to OCI registries: it names things in them
// ([Reference]), reaches their hosts ([HostConfig]), and reads and writes
// repositories ([Repository]) with typed errors ([Error]).
//
// [Source] and [Target] are the roles in which the rest of the module sees a
// registry, a cache in front of one, or any target of oras-go: the method sets
// are the same.
//
// A [Client] makes every registry look well-behaved: failed requests are made
// again and broken downloads taken up where they were ([Retry]), hosts are asked
// no more than they allow ([HostConfig], [RateLimit]), content comes from the
// nearest mirror that has it ([Mirror]) and is verified wherever it comes from.
// What a host can do, [Client.Capabilities] tells; what an operation does, and
// where its answers come from, [WithProgress] and [Observe].
//
// The protocol is the OCI distribution spec 1.1
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md).
package registry
