package classic

import (
	"bytes"
	"errors"
)

// errNotBlock tells that an index is not laid out as Helm does, so that lines
// alone do not show where its parts are.
var errNotBlock = errors.New("not in the block style that Helm writes")

// token is what a line of block YAML says of the structure.
type token struct {
	column int    // of its first character
	dash   bool   // begins an element of a list
	odd    bool   // a key too long to stand before a colon on its line, or the value of one
	key    []byte // as it is spelled, quotes included; nil where there is none
	value  []byte // what follows the key; nil, or a comment, where it is on the lines below
}

// lines reads block YAML line by line, as far as it takes to tell which lines
// are structure and which are text that goes on: a line may look like a key
// within a text. Whatever it does not know for certain is errNotBlock; that
// includes all of YAML that Helm does not write. The zero value is ready.
type lines struct {
	open  textKind
	under int // the column of the key or dash that the open text belongs to
	least int // the least column of the lines of an open block text; 0: not known
	begun bool
}

// textKind is a text that may go on below.
type textKind byte

const (
	noText     textKind = 0
	plainText  textKind = 'p'
	blockText  textKind = '|'
	doubleText textKind = '"'
	singleText textKind = '\''
)

// read takes the next line. The token is nil for a line without structure:
// text that goes on, a comment, a blank line.
func (l *lines) read(line []byte) (*token, error) {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if hasOddBreak(line) {
		return nil, errNotBlock
	}
	rest := bytes.TrimLeft(line, " ")
	column := len(line) - len(rest)
	if len(rest) == 0 {
		return nil, nil
	}
	if l.open != noText {
		more, err := l.goOn(rest, column)
		if more || err != nil {
			return nil, err
		}
		l.open = noText
	}
	if rest[0] == '#' {
		return nil, nil
	}
	if bytes.IndexByte(rest, '\t') >= 0 {
		return nil, errNotBlock // white space that is no indentation
	}
	if column == 0 && isMarker(rest) {
		first := !l.begun && string(bytes.TrimRight(rest, " ")) == "---"
		if l.begun = true; !first {
			return nil, errNotBlock
		}
		return nil, nil
	}
	l.begun = true
	return l.structure(rest, column)
}

// goOn tells whether a line belongs to the text that is open. Only a deeper
// line does: what YAML allows beyond, within quotes, Helm does not write.
func (l *lines) goOn(rest []byte, column int) (bool, error) {
	switch {
	case column <= l.under:
		if l.open == doubleText || l.open == singleText || rest[0] == '\t' {
			return false, errNotBlock
		}
		return false, nil
	case l.open == blockText:
		if l.least == 0 {
			l.least = column
		}
		if column < l.least {
			return false, errNotBlock
		}
	case l.open == doubleText, l.open == singleText:
		return true, l.close(rest)
	}
	return true, nil
}

// close looks for the end of the quoted text that is open.
func (l *lines) close(rest []byte) error {
	end := endOfQuote(rest, byte(l.open))
	if end < 0 {
		return nil
	}
	l.open = noText
	if !isBlank(rest[end:]) {
		return errNotBlock
	}
	return nil
}

// structure reads dashes, a key and the beginning of a value. Helm puts "? "
// before keys of more than 128 characters or several lines, and ": " before
// their values: both indent as a dash does.
func (l *lines) structure(rest []byte, column int) (*token, error) {
	t := &token{column: column}
	under := -1
	for bytes.IndexByte([]byte("-?:"), rest[0]) >= 0 && (len(rest) == 1 || rest[1] == ' ') {
		if under < 0 {
			t.dash, t.odd = rest[0] == '-', rest[0] != '-'
		}
		under = column
		after := bytes.TrimLeft(rest[1:], " ")
		column += len(rest) - len(after)
		rest = after
		if len(rest) == 0 || rest[0] == '#' {
			return t, nil
		}
	}
	key, value, err := cutKey(rest)
	if err != nil {
		return nil, err
	}
	if key != nil {
		t.key, t.value, under = key, value, column
	} else if under < 0 {
		return nil, errNotBlock
	} else {
		value = rest
	}
	return t, l.begin(value, under)
}

// begin notes which text a value begins.
func (l *lines) begin(value []byte, under int) error {
	if len(value) == 0 || value[0] == '#' {
		return nil
	}
	l.under = under
	switch c := value[0]; c {
	case '|', '>':
		least, ok := blockHeader(value)
		if !ok {
			return errNotBlock
		}
		l.open, l.least = blockText, 0
		if least > 0 {
			l.least = max(under, 0) + least
		}
	case '"', '\'':
		l.open = textKind(c)
		return l.close(value[1:])
	case '{', '[':
		if end := value[1:]; len(end) == 0 || end[0] != c+2 || !isBlank(end[1:]) {
			return errNotBlock
		}
	case '&', '*', '!', '%', '@', '`', '}', ']', ',', '?':
		return errNotBlock
	default:
		l.open = plainText
	}
	return nil
}
