package resp

import (
	"strconv"
)

// The functions of this file append one reply, or the head of one, to a buffer. v3 says whether the connection speaks
// protocol 3; where it makes no difference it is not asked for.

func appendStatus(b []byte, s string) []byte {
	b = append(b, '+')
	b = append(b, s...)
	return append(b, '\r', '\n')
}

// appendError writes an error line. Bytes that would end the line early become blanks, as in Redis.
func appendError(b []byte, s string) []byte {
	b = append(b, '-')
	for i := range len(s) {
		c := s[i]
		if c == '\r' || c == '\n' {
			c = ' '
		}
		b = append(b, c)
	}
	return append(b, '\r', '\n')
}

func appendInt(b []byte, n int64) []byte {
	b = append(b, ':')
	b = strconv.AppendInt(b, n, 10)
	return append(b, '\r', '\n')
}

func appendHead(b []byte, kind byte, n int) []byte {
	b = append(b, kind)
	b = strconv.AppendUint(b, uint64(n), 10)
	return append(b, '\r', '\n')
}

func appendBulk[T []byte | string](b []byte, s T) []byte {
	b = appendHead(b, '$', len(s))
	b = append(b, s...)
	return append(b, '\r', '\n')
}

func appendArray(b []byte, n int) []byte { return appendHead(b, '*', n) }

// appendMap begins a map of n pairs; protocol 2 has an array of twice as many elements instead.
func appendMap(b []byte, n int, v3 bool) []byte {
	if v3 {
		return appendHead(b, '%', n)
	}
	return appendHead(b, '*', 2*n)
}

func appendSet(b []byte, n int, v3 bool) []byte {
	if v3 {
		return appendHead(b, '~', n)
	}
	return appendHead(b, '*', n)
}

// appendPush begins an out-of-band message; protocol 2 sends it as an array.
func appendPush(b []byte, n int, v3 bool) []byte {
	if v3 {
		return appendHead(b, '>', n)
	}
	return appendHead(b, '*', n)
}

func appendNull(b []byte, v3 bool) []byte {
	if v3 {
		return append(b, "_\r\n"...)
	}
	return append(b, "$-1\r\n"...)
}

func appendNullArray(b []byte, v3 bool) []byte {
	if v3 {
		return append(b, "_\r\n"...)
	}
	return append(b, "*-1\r\n"...)
}

// appendText writes human-readable text, as INFO does; protocol 3 marks it as verbatim text.
func appendText(b []byte, s string, v3 bool) []byte {
	if !v3 {
		return appendBulk(b, s)
	}
	b = appendHead(b, '=', len(s)+4)
	b = append(b, "txt:"...)
	b = append(b, s...)
	return append(b, '\r', '\n')
}

// appendBulks writes an array of bulk strings.
func appendBulks(b []byte, items ...string) []byte {
	b = appendArray(b, len(items))
	for _, s := range items {
		b = appendBulk(b, s)
	}
	return b
}
