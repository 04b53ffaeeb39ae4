// Package layout reads and writes OCI image layouts (OCI image spec 1.1,
// image-layout.md): a directory ([Dir]) or a tar file ([Tar], [TarWriter]) that
// holds manifests and blobs as a registry does, to be carried to where no
// registry is in reach. oras, crane, skopeo and docker save write and read them
// too.
//
// Each is a [registry.Source] with its tags and referrers; [Dir] and
// [TarWriter] are a [registry.Target] too. Nothing in a layout is believed:
// content is verified when it is read and when it is written, the documents
// are read within limits, and no name in a layout, and no link, leads out of
// it.
//
// A tag is the annotation org.opencontainers.image.ref.name of an entry of
// index.json. A manifest that has no tag, such as a signature, has an entry
// without one, as oras writes it; what an index names needs none.
//
// Beside oras-go's content/oci: that one keeps the list of a process in
// memory and writes it over what others have written (oras#149), reads every
// manifest when it opens, which one bad manifest prevents, and does not verify
// what it reads.
package layout
