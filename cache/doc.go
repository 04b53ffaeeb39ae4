// Package cache keeps what was once read from registries: manifests and blobs
// by their digest, and beside them which digest a tag had, when it was fetched
// and when the registry last confirmed it.
//
// A [Store] is a directory. [Store.Through] puts it before a [registry.Source]
// and is one itself: content that is here costs no request, a tag costs one
// HEAD, and what had to be fetched is kept for the next time. The cache is
// passive: it answers for the registry, and never fails a read that the
// registry can serve. A directory that is missing, read-only or full costs
// requests and a line in the log.
//
// # Trust
//
// Nothing in the directory is believed. Content is hashed whole before its
// first byte is handed out; a file that does not match its name is removed,
// logged, and fetched again. Content on its way in is hashed too, and gets its
// name only when size and digest are right. A reference's file repeats the
// whole reference, so that a file in the wrong place is a miss.
//
// # Identities
//
// A Store is for one identity. Whoever reads through it gets what it holds, by
// digest without a request, whether or not the registry would let them. A
// program with several tenants opens one Store for each, on the same directory,
// with a partition of its own ([Options].Partition): content is on the disk
// once, and is here for those partitions alone that a registry, or the program,
// has given it to. Who knows only a digest has to ask the registry.
//
// # Sharing
//
// Any number of goroutines and processes may use one directory at once. Files
// appear under their names by one rename, are never changed in place, and stay
// readable to those who have them open. A process killed at any instruction
// leaves at most a file in ingest/ or locks/ (or, beside other files, one whose
// name begins with a dot) that nobody reads and that a collection removes.
//
// # Layout
//
//	blobs/<algorithm>/<hex>                                  content, write-once
//	parts/<partition>/known/<algorithm>/<hex>                empty: the partition has been shown this content
//	parts/<partition>/refs/<sha256 of host/repository>/<tag> what a tag named, and when
//	parts/<partition>/held/<sha256 of host/repository>/<tag> what was imported, and is kept until it is released
//	parts/<partition>/held/<sha256 of host/repository>/!.<sha256>
//	                                                         the same by its digest, or along with what it refers to
//	parts/<partition>/pins/<sha256 of host/repository>/<tag> packed here, not yet pushed
//	parts/<partition>/tags/<sha256 of host/repository>       the list of tags
//	parts/<partition>/referrers/<sha256 of host/repository>/<algorithm>-<hex>
//	                                                         the list of a manifest's referrers
//	parts/<partition>/absent/<sha256 of host/repository>/<tag or !-algorithm-hex>
//	                                                         that there was none, a moment ago
//	ingest/                                                  content on its way in, or out
//	locks/                                                   empty: downloads, collections and pins in progress
//	collected                                                when the last collection was
//
// Content and the empty files of known/ and locks/ apart, a file is sealed: it
// begins with the checksum of the rest. The time of last modification of content is when it
// was last used, to the hour.
//
// The user's own partition is called default.
//
// The directory itself is made with mode 0700, since charts may be private;
// what is beneath it follows the umask. To share a cache between users, make
// the directory with the mode you want before its first use.
package cache
