package resp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func limitsForTests() *Config {
	c := &Config{}
	if err := c.validate(); err != nil {
		panic(err)
	}
	return c
}

// feed gives the parser a stream in two reads and returns the commands and the error, as text.
func feed(stream []byte, cut int, strict bool) (commands []string, err error, held int) {
	p := parser{buf: make([]byte, 32), limits: limitsForTests(), strict: strict}
	for _, part := range [][]byte{stream[:cut], stream[cut:]} {
		for len(part) > 0 {
			n := copy(p.room(1), part)
			p.tail += n
			part = part[n:]
			for {
				args, ok, err := p.next(nil)
				if err != nil {
					return commands, err, len(p.buf)
				}
				if !ok {
					break
				}
				commands = append(commands, fmt.Sprintf("%q", args))
			}
		}
	}
	return commands, nil, len(p.buf)
}

var streams = []string{
	"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n",
	"GET a\r\n\r\nSET \"a b\" '\\'c'\nPING",
	"*0\r\n*-1\r\n*1\r\n$0\r\n\r\n",
	"*3\r\n$3\r\nSET\r\n$5\r\nk\r\ney\r\n$40\r\n0123456789012345678901234567890123456789\r\nPING\r\n",
	"*1\r\n$17000000000000000000000\r\n", "$70017000000000000000000\r\n", "*2147483648\r\n", "*1\r\n:1\r\n", "*\r\n", "*1\n", "*1\r\n$00\r\n",
	"*-9223372036854775808\r\n", "*1\r\n$-0\r\n", "\x00\r\n", "\"\\x4\"\n", "'", "*1048577\r\n",
}

func FuzzParse(f *testing.F) {
	for _, s := range streams {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, strict bool) {
		if len(stream) > 1<<12 {
			return
		}
		want, wantErr, _ := feed(stream, len(stream), strict)
		step := 1 + len(stream)/64
		for cut := 0; cut < len(stream); cut += step {
			got, err, held := feed(stream, cut, strict)
			if strings.Join(got, "\n") != strings.Join(want, "\n") || (err == nil) != (wantErr == nil) || err != nil && err != wantErr {
				t.Fatalf("cut at %d: %q %v, whole: %q %v", cut, got, err, want, wantErr)
			}
			if held > 4*len(stream)+64 {
				t.Fatalf("%d bytes held for a stream of %d", held, len(stream))
			}
		}
	})
}

func TestParserHoldsItsLimits(t *testing.T) {
	for _, c := range []struct {
		name, stream string
		strict       bool
		want         error
	}{
		{"arguments", "*1048577\r\n", false, errMultibulk},
		{"most arguments", "*1048576\r\n", false, nil},
		{"arguments before AUTH", "*11\r\n", true, errStrictMultibulk},
		{"most arguments before AUTH", "*10\r\n", true, nil},
		{"bulk", "*1\r\n$67108865\r\n", false, errBulk},
		{"longest bulk", "*1\r\n$67108864\r\n", false, nil},
		{"bulk before AUTH", "*1\r\n$16385\r\n", true, errStrictBulk},
		{"overflow", "*1\r\n$18446744073709551617\r\n", false, errBulk},
		{"inline", strings.Repeat("a", 64<<10+1), false, errLongInline},
		{"long count", "*" + strings.Repeat("1", 64<<10+1), false, errLongCount},
		{"long bulk count", "*1\r\n$" + strings.Repeat("1", 64<<10+1), false, errLongBulkCount},
		{"inline words before AUTH", "a b c d e f g h i j k\n", true, errStrictMultibulk},
	} {
		if _, err, _ := feed([]byte(c.stream), len(c.stream), c.strict); err != c.want {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestRequestBytesAreBounded(t *testing.T) {
	p := parser{buf: make([]byte, 32), limits: limitsForTests()}
	p.limits.MaxRequest = 100
	p.tail = copy(p.buf, "*2\r\n$3\r\nGET\r\n$90\r\n")
	if _, _, err := p.next(nil); err != errLongRequest {
		t.Fatalf("got %v, want %v", err, errLongRequest)
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"*", "", true}, {"", "", true}, {"", "a", false}, {"a*b*c", "aXbYc", true}, {"a*b*c", "aXbY", false}, {"?", "", false},
		{"[a-c]x", "bx", true}, {"[c-a]x", "bx", true}, {"[^a]", "a", false}, {"[^a]", "b", true}, {"\\*", "*", true}, {"\\*", "a", false},
		{"[abc", "c", true}, {"[\\]]", "]", true}, {"a**b", "ab", true}, {"*abc*", "xxabcxx", true}, {"net/http/*", "net/http/x", true},
	} {
		if got := match([]byte(c.pattern), []byte(c.s)); got != c.want {
			t.Errorf("match(%q, %q) = %v", c.pattern, c.s, got)
		}
		if got := matchLong([]byte(c.pattern), []byte(c.s)); got != c.want {
			t.Errorf("matchLong(%q, %q) = %v", c.pattern, c.s, got)
		}
	}
	// CVE-2022-36021: with a recursive matcher this takes longer than the universe has lasted.
	if match(bytes.Repeat([]byte("*a"), 500), append(bytes.Repeat([]byte("a"), 60000), 'b')) {
		t.Error("a pattern that ends in a matched a text that ends in b")
	}
}

// Both ways of comparing agree, also where the elements of a pattern need more than one word.
func TestLongMatchIsMatch(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	text := func(letters string, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = letters[dice.IntN(len(letters))]
		}
		return b
	}
	matched := 0
	for i := range 20000 {
		pattern, s := text(`aab*?[]^-\`, dice.IntN(12)), text("aab", dice.IntN(12))
		if i%20 == 0 {
			s = text("aab", dice.IntN(400))
			pattern = slices.Concat([]byte("*"), s[dice.IntN(len(s)+1):], []byte("*"), text("ab?", dice.IntN(3)))
		}
		want := matchShort(pattern, s)
		if got := matchLong(pattern, s); got != want {
			t.Fatalf("matchLong(%q, %q) = %v", pattern, s, got)
		}
		if want {
			matched++
		}
	}
	if matched < 500 {
		t.Errorf("%d of the pairs match", matched)
	}
	all := bytes.Repeat([]byte("?"), maxPattern)
	if !matchLong(all, all) || matchLong(all, all[1:]) {
		t.Error("the longest pattern is not matched")
	}
	if match(bytes.Repeat([]byte("a"), 1<<21), []byte("a")) { // COMMAND LIST FILTERBY takes such a pattern
		t.Error("a pattern beyond all bounds matched")
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("a*[b-d]?\\x", "abcx")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > maxPattern || len(s) > 1<<12 {
			return
		}
		if short, long := matchShort([]byte(pattern), []byte(s)), matchLong([]byte(pattern), []byte(s)); short != long {
			t.Fatalf("%q matches %q: %v, and as a long one %v", pattern, s, short, long)
		}
		if match([]byte(pattern), []byte(s)) && !strings.HasPrefix(s, string(literalPrefix([]byte(pattern)))) {
			t.Fatalf("%q matches %q, which lacks its literal prefix", pattern, s)
		}
	})
}
