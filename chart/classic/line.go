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

// cutKey splits "key: value"; the key is nil where there is none.
func cutKey(rest []byte) (key, value []byte, err error) {
	switch c := rest[0]; c {
	case '"', '\'':
		end := endOfQuote(rest[1:], c)
		if end < 0 {
			return nil, nil, nil
		}
		key, value = rest[:1+end], rest[1+end:]
		if len(value) == 0 || value[0] != ':' || len(value) > 1 && value[1] != ' ' {
			return nil, nil, nil
		}
		return key, bytes.TrimLeft(value[1:], " "), nil
	case '{', '[', '|', '>', '&', '*', '!', '%', '@', '`', '}', ']', ',':
		return nil, nil, nil // no key; begin judges it as a value
	}
	for i, c := range rest {
		switch {
		case c == ':' && (i+1 == len(rest) || rest[i+1] == ' '):
			if i == 0 || string(rest[:i]) == "<<" {
				return nil, nil, errNotBlock
			}
			return bytes.TrimRight(rest[:i], " "), bytes.TrimLeft(rest[i+1:], " "), nil
		case c == '#' && i > 0 && rest[i-1] == ' ':
			return nil, nil, nil
		}
	}
	return nil, nil, nil
}

// endOfQuote returns the place after the quote that ends a text, or -1.
func endOfQuote(b []byte, quote byte) int {
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\\' && quote == '"':
			i++
		case b[i] != quote:
		case quote == '\'' && i+1 < len(b) && b[i+1] == '\'':
			i++
		default:
			return i + 1
		}
	}
	return -1
}

// blockHeader reads the line that a block text begins with: "|", ">-", "|2+".
func blockHeader(b []byte) (least int, ok bool) {
	i := 1
	for ; i < len(b) && i < 3; i++ {
		switch c := b[i]; {
		case c >= '1' && c <= '9' && least == 0:
			least = int(c - '0')
		case (c == '-' || c == '+') && (i == 1 || b[i-1] != '-' && b[i-1] != '+'):
		case c == ' ':
			return least, isBlank(b[i:])
		default:
			return 0, false
		}
	}
	return least, i == len(b) || b[i] == ' ' && isBlank(b[i:])
}

// isBlank tells a rest of a line that says nothing: spaces, and a comment
// after one.
func isBlank(b []byte) bool {
	text := bytes.TrimLeft(b, " ")
	return len(text) == 0 || text[0] == '#' && len(text) < len(b)
}

// isMarker tells a line that ends or begins a document, or a directive.
func isMarker(line []byte) bool {
	return bytes.HasPrefix(line, []byte("---")) || bytes.HasPrefix(line, []byte("...")) || line[0] == '%'
}

// hasOddBreak finds what ends a line in YAML 1.1 and does not here.
func hasOddBreak(line []byte) bool {
	if bytes.IndexByte(line, '\r') >= 0 {
		return true
	}
	for rest := line; ; {
		i := bytes.IndexByte(rest, 0x85) // the last byte of U+0085
		if i < 0 {
			break
		}
		if i > 0 && rest[i-1] == 0xC2 {
			return true
		}
		rest = rest[i+1:]
	}
	return bytes.IndexByte(line, 0xE2) >= 0 && (bytes.Contains(line, []byte("\u2028")) || bytes.Contains(line, []byte("\u2029")))
}
