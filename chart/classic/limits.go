package classic

const (
	// DefaultMaxSize is four times the largest public index, which has some
	// 60 MB. The index lies on the disk; of its size in memory there is the
	// table of maxCharts.
	DefaultMaxSize int64 = 256 << 20
	// DefaultMaxWhole is for an index that has to be read whole, since it is not
	// laid out as Helm does: the same 60 MB and a little more. JSON of this size
	// costs some 100 MiB of memory, YAML as charts are listed some twenty times
	// its size, and YAML that is meant to hurt ("[{a: 1}, {a: 1}, …") was seen
	// to cost 480 times.
	DefaultMaxWhole int64 = 64 << 20
	// maxWritten bounds what an index that was read whole stands for, its
	// aliases expanded: as much as one that is not read whole may have.
	maxWritten = DefaultMaxSize
	// maxEntry bounds one version of one chart. An entry repeats Chart.yaml,
	// which may have 1 MiB, and the largest public one has 70 KiB.
	maxEntry = 1<<20 + 64<<10
	// maxCharts bounds the table of what is where: a name and a place take some
	// 150 bytes, so that 100,000 of them cost 15 MB. The largest public
	// repositories have less than 1,000 charts.
	maxCharts = 100_000
	// maxName bounds a chart's name in the table: a repository's name in a
	// registry has 255 characters at most.
	maxName = 1024
	// maxProvenance: a .prov file holds Chart.yaml of up to 1 MiB, a checksum
	// and a signature.
	maxProvenance = 1<<20 + 256<<10
	// maxRecord bounds what is kept beside an index: two headers and a URL.
	maxRecord = 64 << 10
	// maxAliases bounds Helm's repositories.yaml: 10,000 repositories of 100
	// bytes.
	maxAliases = 1 << 20
)
