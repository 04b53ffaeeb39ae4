package classic

import "bytes"

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
