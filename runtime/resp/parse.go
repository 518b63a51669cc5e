package resp

import (
	"bytes"
	"fmt"
	"slices"
)

// parser cuts a byte stream into commands. It reads Redis' two forms:
//
//	*2\r\n $3\r\n GET\r\n $3\r\n key\r\n        array of bulk strings (without the blanks)
//	GET key\r\n                                inline: words, quoted as in a shell
//
// The buffer, and what is known of the command that is not complete yet:
//
//	buf: ....│*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$100\r\nabc│........
//	         head                                 pos    tail
//	                    └ spans[0] ┘ └ [1] ┘      bulk = 100, left = 1
//
// Parsing resumes at pos when more bytes have come, so that a long command is not read twice. Arguments are views into buf,
// valid until the next fill. No length from the wire is used as a capacity.
type parser struct {
	buf    []byte
	head   int    // first byte of the command being parsed
	pos    int    // next byte to look at
	tail   int    // end of what was read
	left   int    // arguments of this command still to come
	bulk   int    // length of the argument that begins at pos; -1: its length line comes next
	spans  []span // arguments found, relative to head
	limits *Config
	strict bool // before AUTH: Redis' small limits
	held   holding
	drop   bool // there is no room for this command: what comes of it is skipped
	gone   int  // of the argument at pos, bytes skipped
}

type span struct{ start, end int }

// spanCost is about what an argument costs beside its bytes, from its span to its part of the reply.
const spanCost = 64

// Redis' limits before AUTH, and on a line of which the end has not come.
const (
	strictArgs = 10
	strictBulk = 16 << 10
	maxLine    = 64 << 10
)

// protocolError ends the connection after it has been told.
type protocolError string

func (e protocolError) Error() string { return "Protocol error: " + string(e) }

const (
	errMultibulk       = protocolError("invalid multibulk length")
	errStrictMultibulk = protocolError("unauthenticated multibulk length")
	errBulk            = protocolError("invalid bulk length")
	errStrictBulk      = protocolError("unauthenticated bulk length")
	errLongInline      = protocolError("too big inline request")
	errLongCount       = protocolError("too big mbulk count string")
	errLongBulkCount   = protocolError("too big bulk count string")
	errQuotes          = protocolError("unbalanced quotes in request")
	errLongRequest     = protocolError("too big request")
)

// next appends the arguments of the next complete command to args. ok is false if more bytes are needed. After an error
// the stream has no meaning any more, unless it is errHeld: that command is over, and was not kept.
func (p *parser) next(args [][]byte) (_ [][]byte, ok bool, err error) {
	for {
		if p.left == 0 {
			p.head = p.pos
			if p.pos == p.tail {
				return args, false, nil
			}
			if p.buf[p.pos] != '*' {
				had := len(args)
				if args, ok, err = p.inline(args); err != nil || !ok || len(args) > had {
					return args, ok, err
				}
				continue
			}
			if ok, err = p.count(); err != nil || !ok {
				return args, false, err
			}
			continue
		}
		if ok, err = p.bulks(); err != nil || !ok {
			return args, false, err
		}
		if p.drop {
			p.drop = false
			return args, true, errHeld
		}
		command := p.buf[p.head:p.tail]
		for _, s := range p.spans {
			args = append(args, command[s.start:s.end:s.end])
		}
		p.spans = p.spans[:0]
		return args, true, nil
	}
}

// count reads "*n\r\n". A count of zero or less is no command at all.
func (p *parser) count() (ok bool, err error) {
	n, size, err := p.length(errMultibulk, errLongCount)
	if err != nil || size == 0 {
		return false, err
	}
	switch {
	case n > int64(p.limits.MaxArgs):
		return false, errMultibulk
	case p.strict && n > strictArgs:
		return false, errStrictMultibulk
	}
	p.pos += size
	p.left = int(max(n, 0))
	p.bulk = -1
	return true, nil
}

// bulks reads arguments until none is left.
func (p *parser) bulks() (ok bool, err error) {
	for p.left > 0 {
		if p.bulk < 0 {
			if p.pos == p.tail {
				return false, nil
			}
			if c := p.buf[p.pos]; c != '$' {
				return false, protocolError(fmt.Sprintf("expected '$', got '%c'", printable(c)))
			}
			n, size, err := p.length(errBulk, errLongBulkCount)
			if err != nil || size == 0 {
				return false, err
			}
			if err := p.checkBulk(n, size); err != nil {
				return false, err
			}
			p.pos += size
			p.bulk = int(n)
		}
		if !p.drop && len(p.spans) == cap(p.spans) {
			p.moreSpans()
		}
		if p.drop {
			if !p.skip() {
				return false, nil
			}
		} else {
			if p.tail-p.pos < p.bulk+2 {
				return false, nil
			}
			start := p.pos - p.head
			p.spans = append(p.spans, span{start, start + p.bulk})
			p.pos += p.bulk + 2
		}
		p.bulk = -1
		p.left--
	}
	return true, nil
}

// moreSpans makes room for more arguments.
func (p *parser) moreSpans() {
	n := max(2*cap(p.spans), 16)
	if !p.resize(len(p.buf), n) {
		p.giveUp()
		return
	}
	p.spans = slices.Grow(p.spans, n-len(p.spans))
}

// giveUp forgets what has come of the command that is being parsed, and has the rest skipped.
func (p *parser) giveUp() {
	p.drop, p.gone, p.spans = true, 0, nil
	p.head = p.pos
}

// skip passes over what has come of the argument, and says whether that was all of it.
func (p *parser) skip() bool {
	n := min(p.tail-p.pos, p.bulk+2-p.gone)
	p.pos += n
	p.head, p.gone = p.pos, p.gone+n
	if p.gone < p.bulk+2 {
		return false
	}
	p.gone = 0
	return true
}

// resize says that the buffer and the spans shall have these sizes, and whether they may.
func (p *parser) resize(size, spans int) bool {
	return p.held.resize(int64(size) + int64(spans)*spanCost)
}

// reset gives up the buffer for another one. Nothing may be in it.
func (p *parser) reset(size int) {
	p.held.must(int64(size))
	p.held.account.leave(len(p.buf))
	*p = parser{buf: make([]byte, size), limits: p.limits, strict: p.strict, held: p.held}
}

func (p *parser) checkBulk(n int64, size int) error {
	switch {
	case n < 0 || n > p.limits.MaxBulk:
		return errBulk
	case p.strict && n > strictBulk:
		return errStrictBulk
	case int64(p.pos-p.head+size)+n+2 > p.limits.MaxRequest:
		return errLongRequest
	}
	return nil
}

// length reads the number after the type byte at pos up to "\r\n". size is the length of the whole line, 0 if its end has
// not come. Digits are tried first; everything else that Redis takes, and what it refuses, is left to slowLength.
func (p *parser) length(invalid, long protocolError) (n int64, size int, err error) {
	line := p.buf[p.pos:p.tail]
	for i := 1; i < len(line) && i < 12; i++ {
		c := line[i]
		if c-'0' <= 9 {
			n = n*10 + int64(c-'0')
			continue
		}
		if c == '\r' && i > 1 && i+1 < len(line) && line[i+1] == '\n' && (line[1] != '0' || i == 2) {
			return n, i + 2, nil
		}
		break
	}
	return slowLength(line, invalid, long)
}

func slowLength(line []byte, invalid, long protocolError) (n int64, size int, err error) {
	end := bytes.IndexByte(line, '\r')
	if end < 0 {
		if len(line) > maxLine {
			return 0, 0, long
		}
		return 0, 0, nil
	}
	if end+1 == len(line) {
		return 0, 0, nil
	}
	n, ok := parseInt(line[1:end])
	if !ok || line[end+1] != '\n' {
		return 0, 0, invalid
	}
	return n, end + 2, nil
}

// parseInt is Redis' string2ll: decimal, an optional minus, no plus, no blanks, no leading zeros, nothing beyond 64 bits.
func parseInt(s []byte) (int64, bool) {
	if len(s) == 1 && s[0] == '0' {
		return 0, true
	}
	negative := len(s) > 0 && s[0] == '-'
	if negative {
		s = s[1:]
	}
	if len(s) == 0 || len(s) > 19 || s[0] == '0' {
		return 0, false
	}
	var n uint64
	for _, c := range s {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	if negative {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n < 1<<63
}

// inline reads one line of words. An empty line is no command.
func (p *parser) inline(args [][]byte) (_ [][]byte, ok bool, err error) {
	line := p.buf[p.pos:p.tail]
	end := bytes.IndexByte(line, '\n')
	if int64(end) > p.limits.MaxInline || end < 0 && int64(len(line)) > p.limits.MaxInline {
		return args, false, errLongInline
	}
	if end < 0 {
		return args, false, nil
	}
	p.pos += end + 1
	p.head = p.pos
	line = bytes.TrimSuffix(line[:end], []byte{'\r'})
	had := len(args)
	args, balanced := splitWords(args, line)
	switch {
	case !balanced:
		return args, false, errQuotes
	case p.strict && len(args)-had > strictArgs:
		return args, false, errStrictMultibulk
	}
	return args, true, nil
}

// idle says that no command has begun.
func (p *parser) idle() bool { return p.left == 0 && p.pending() == 0 }

// pending is the number of bytes of an unfinished command.
func (p *parser) pending() int { return p.tail - p.head }

// room makes space for the next read and returns it. A buffer that is full grows twofold, so that what is held is bounded
// by what was sent; what was promised counts only as an upper bound.
func (p *parser) room(least int) []byte {
	if p.head == p.tail {
		p.head, p.pos, p.tail = 0, 0, 0
	}
	if p.tail == len(p.buf) || len(p.buf)-p.tail < least && p.head > 0 {
		p.move(p.head > 0 && p.pending() <= len(p.buf)/2, least)
	}
	return p.buf[p.tail:]
}

func (p *parser) move(fits bool, least int) {
	target := p.buf
	if !fits {
		size := max(2*len(p.buf), least)
		if p.left == 1 && p.bulk >= 0 {
			size = max(min(size, p.pos-p.head+p.bulk+2), p.pending()+least)
		}
		switch {
		case p.resize(size, cap(p.spans)):
		case p.left > 0 && !p.drop:
			p.giveUp()
			if p.bulk >= 0 {
				p.skip() // not all of the argument is there, or nothing more would be read
			}
			size = max(busyBuffer, p.pending()+least)
			fallthrough
		default: // a line is bounded by itself
			p.held.must(int64(size) + int64(cap(p.spans))*spanCost)
		}
		p.held.account.replace(len(p.buf), size)
		target = make([]byte, size)
	}
	p.adopt(target)
}

// grow moves what is unfinished to a longer buffer, one whose size is free.
func (p *parser) grow(size int) {
	p.held.must(int64(size) + int64(cap(p.spans))*spanCost)
	p.adopt(make([]byte, size))
}

// adopt moves what is unfinished to the start of target, which may be the buffer itself.
func (p *parser) adopt(target []byte) {
	n := copy(target, p.buf[p.head:p.tail])
	p.pos -= p.head
	p.buf, p.head, p.tail = target, 0, n
}

// printable replaces what would break an error line.
func printable(c byte) byte {
	if c == '\r' || c == '\n' || c == 0 {
		return ' '
	}
	return c
}
