// Package registrytest runs an OCI registry in the process, for tests and
// demonstrations: a conforming one that keeps everything in memory, counts
// requests and bytes, and misbehaves as real registries do when told to.
// Conformance runs this module's client against any other registry.
//
// It is meant for programs that embed this module as much as for the module's
// own tests.
//
// # Quirks
//
// What a registry is like, to everyone and at all times, is in Options. The
// zero value of each field is what the OCI distribution spec 1.1 says.
//
//	Auth, Users, AnonymousPull    who may do what: open, basic, bearer tokens
//	TokenLifetime, SplitRealm     tokens that end soon; a token server elsewhere
//	RefusalStatus                 403 or 404 where 401 is meant
//	UnknownStatus                 401 or 403 where 404 is meant
//	TLS, ClientCAs                HTTPS; client certificates demanded
//	Latency                       before each answer
//	PageSize                      the server's own size of pages
//	Lists.Link                    path, absolute, relative, opaque, none, foreign, endless
//	Lists.Null                    null for an empty list
//	Lists.Unsorted                tags in no order
//	Lists.LastMustExist           404 to a last that is no tag
//	Lists.NoPaging                everything at once
//	Lists.EmptyLastPage           a last page without tags
//	Lists.MaxN, MaxNStatus        400 or 413 to a larger n
//	Catalog.Status, Hidden        401, 403, 404, 405; or a part of the list
//	Manifests.NoHead              405 to HEAD
//	Manifests.NoDigest            no Docker-Content-Digest
//	Manifests.WrongDigest         a wrong one
//	Manifests.NoLength            chunked, without Content-Length
//	Manifests.ContentType         another media type, or none
//	Manifests.StrictAccept        404 to an Accept that does not list the type
//	Manifests.NoETag              no ETag, no 304
//	Manifests.Conditional         If-Match and If-None-Match on PUT
//	Manifests.Immutable           tags that do not move: 412, 400, 403, 409
//	Blobs.Ranges                  honoured, ignored, shifted, refused
//	Blobs.Redirect                to a signed URL of another host, Server.Storage
//	Uploads.Location              path, absolute, relative, on another host
//	Uploads.Query                 a location whose own query must come back
//	Uploads.SinglePost            a blob in one POST
//	Uploads.Monolithic            405, 411, 413, 501 to a blob in one PUT
//	Uploads.MinChunk              OCI-Chunk-Min-Length
//	Uploads.MaxBody               413 and a page, as nginx
//	Uploads.NoStatus, NoCancel    sessions that cannot be asked or ended
//	Deletes.None, NoTags          405 UNSUPPORTED
//	Deletes.InUse                 405 DENIED for what an index names
//	Deletes.TagIsManifest         with a tag goes its manifest
//	NoReferrers, Referrers        no referrers API: 404, 429, 303, a page
//	NoMount                       every mount is an upload
//	NoAPIVersion                  no Docker-Distribution-Api-Version
//	Upstream, UpstreamPrefix      a pull-through cache
//	StaleTags                     one that keeps tags as they came
//	UpstreamWhole                 one without blobs until their manifest is asked for
//
// Server.Lose makes blobs disappear that HEAD still finds.
//
// # Faults
//
// What goes wrong now and then is in Faults, which SetFaults puts in force:
// which requests (Match), how many of them (Times, Probability) and where in
// the exchange (At), beside what happens.
//
//	Cut, Reset         the connection is closed, or reset
//	Stall              nothing more is sent
//	HTML               a web page with 200
//	Redirect           307 to another place
//	Status, Code       an error; Header with RetryAfter, RetryAt, RateLimit…
//	NoHead             405 to HEAD
//	Truncate           half of the body, under its full length
//	NoLength           no Content-Length; with Truncate, an end in good form
//	Corrupt            one bit is wrong
//	BytesPerSecond     slow in both directions
//	NoDigestHeader     no Docker-Content-Digest
package registrytest
