package classic

import (
	"bufio"
	"errors"
	"io"
)

// lineReader reads lines with their ends, and knows where it is.
type lineReader struct {
	r    *bufio.Reader
	max  int
	at   int64 // bytes that were read
	long []byte
}

var errLongLine = errors.New("line is too long")

func newLineReader(r io.Reader, max int) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10), max: max}
}

// next returns a line, which the next call overwrites. The last may lack its
// end. errLongLine means that max was reached.
func (l *lineReader) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	l.at += int64(len(line))
	if err == bufio.ErrBufferFull {
		l.long = append(l.long[:0], line...)
		for err == bufio.ErrBufferFull {
			line, err = l.r.ReadSlice('\n')
			l.at += int64(len(line))
			if l.long = append(l.long, line...); len(l.long) > l.max {
				return nil, errLongLine
			}
		}
		line = l.long
	}
	if err == io.EOF && len(line) > 0 {
		err = nil
	}
	return line, err
}
