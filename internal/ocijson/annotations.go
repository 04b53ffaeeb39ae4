package ocijson

// AnnotationImageName is the annotation in which containerd, and what is built
// on it, writes the whole reference of an entry of index.json (containerd
// images/archive). The spec's own, org.opencontainers.image.ref.name, is a tag
// to most tools and a reference to some.
const AnnotationImageName = "io.containerd.image.name"
