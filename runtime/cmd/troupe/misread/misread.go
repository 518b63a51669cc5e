// Package misread takes apart what the YAML package says of a text that it cannot read, for people who wrote the text: in which line, why, and what
// to write instead.
//
//	yaml: line 2: found character that cannot start any token     ─►  2, found character …: a tab indents this line, and YAML wants spaces
package misread

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
)

var message = regexp.MustCompile(`(?s)^(?:yaml: )?(?:line (\d+): )?(.+)$`)

// Of gives the line of a text, 0 if none is known, and the reason.
func Of(err string, text []byte) (line int, reason string) {
	m := message.FindStringSubmatch(err)
	if m == nil {
		return 0, err
	}
	line, _ = strconv.Atoi(m[1]) // of the first line it is silent
	reason = m[2]
	if at := tabbed(text, max(line, 1), strings.Contains(reason, "found a tab character")); at > 0 {
		return at, reason + ": a tab indents this line, and YAML wants spaces"
	}
	if strings.Contains(reason, "cannot start any token") {
		reason += ": a tab, @ or `; indent by spaces, and put a text that begins so in quotes"
	}
	return line, reason
}

// tabbed is the line if a tab indents it, or the first one from there on that it does; 0: none.
func tabbed(text []byte, line int, further bool) int {
	lines := bytes.Split(text, []byte("\n"))
	for at := line; at <= len(lines) && (at == line || further); at++ {
		indent := lines[at-1][:len(lines[at-1])-len(bytes.TrimLeft(lines[at-1], " \t"))]
		if bytes.ContainsRune(indent, '\t') {
			return at
		}
	}
	return 0
}
