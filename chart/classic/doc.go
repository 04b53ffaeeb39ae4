// Package classic reads chart repositories of the kind that came before
// registries: a web server, or a directory, with an index.yaml that lists the
// versions of each chart and where their archives are.
//
// [Open] gives a [Repository], which lists charts and versions and pulls one
// by its exact version. What it pulls is a chart.Packed: it gets the manifest
// that a registry would keep for it, enters the client's cache, and can be
// pushed as it is. [Copy] moves one chart, some, or all of them into a
// registry.
//
// An index may be large; one that Helm or a server of its kind wrote is never
// in memory as a whole. It lies in a file, of which a first pass notes where
// each chart's part begins; later look-ups read that part alone, one entry at
// a time. An index that is laid out otherwise (JSON, flow style, anchors) is
// read whole once, and written out again in Helm's form.
package classic
