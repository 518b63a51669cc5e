package resp

// splitWords cuts an inline command into words as Redis' sdssplitargs does: blanks separate, "double quotes" know \n \r \t
// \b \a \\ \" and \xHH, 'single quotes' know \' only, and a closing quote must be followed by a blank or the end. Words
// without quotes are views; ok is false if quotes do not balance.
func splitWords(args [][]byte, line []byte) (_ [][]byte, ok bool) {
	for {
		for len(line) > 0 && isBlank(line[0]) {
			line = line[1:]
		}
		if len(line) == 0 {
			return args, true
		}
		word, rest, ok := cutWord(line)
		if !ok {
			return args, false
		}
		args = append(args, word)
		line = rest
	}
}

func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' || c == 0 }

// cutWord takes the first word. It may consist of plain and quoted parts, as in a"b c"; a quoted part ends the word.
func cutWord(line []byte) (word, rest []byte, ok bool) {
	for i, c := range line {
		if isBlank(c) {
			return line[:i:i], line[i:], true
		}
		if c == '"' || c == '\'' {
			word, rest, ok = unquote(append([]byte{}, line[:i]...), line[i+1:], c)
			return word, rest, ok && (len(rest) == 0 || isBlank(rest[0]))
		}
	}
	return line[:len(line):len(line)], nil, true
}

// unquote appends the text up to the closing quote to word.
func unquote(word, line []byte, quote byte) (_, rest []byte, ok bool) {
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == quote:
			return word, line[i+1:], true
		case c != '\\' || i+1 == len(line):
			word = append(word, c)
		case quote == '\'':
			if line[i+1] == '\'' {
				c, i = '\'', i+1
			}
			word = append(word, c)
		case line[i+1] == 'x' && i+3 < len(line) && hexDigit(line[i+2]) >= 0 && hexDigit(line[i+3]) >= 0:
			word = append(word, byte(hexDigit(line[i+2])<<4|hexDigit(line[i+3])))
			i += 3
		default:
			i++
			word = append(word, unescape(line[i]))
		}
	}
	return word, nil, false
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}
