package resp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// dumped is values of all the forms that a dump has.
func dumped() (values []string) {
	for _, n := range []int64{0, 1, -1, 127, 128, -128, -129, 32767, 32768, -32768, -32769, 1<<31 - 1, 1 << 31, -1 << 31, -1<<31 - 1, 1<<63 - 1} {
		values = append(values, strconv.FormatInt(n, 10))
	}
	values = append(values, "", "-0", "007", "+1", "1 ", "word", "\x00\xff\r\n")
	rng := rand.New(rand.NewPCG(7, 7))
	for _, size := range []int{20, 21, 63, 64, 300, 16383, 16384, 70000} {
		noise := make([]byte, size)
		for i := range noise {
			noise[i] = byte(rng.Uint32())
		}
		values = append(values, string(noise), strings.Repeat("a", size), strings.Repeat("abc, ", size/5), fmt.Sprint(size, strings.Repeat("x", size/2), string(noise[:size/2])))
	}
	return values
}

// bulk is the value in a reply.
func bulk(t *testing.T, reply string) string {
	t.Helper()
	head, rest, ok := strings.Cut(reply, "\r\n")
	if !ok || head[0] != '$' || head == "$-1" {
		t.Fatalf("%.80q is no value", reply)
	}
	return strings.TrimSuffix(rest, "\r\n")
}

// What a redis-server dumps is restored here, and what is dumped here there. Where neither compresses, the dumps differ in their
// version and checksum alone.
func TestDumpsTravel(t *testing.T) {
	redis := dial(t, startRedis(t, false))
	_, addr := startServer(t, newLocalBackend(4, "default"), Config{})
	here := dial(t, addr)
	for _, value := range dumped() {
		name := fmt.Sprintf("%.20q of %d", value, len(value))
		redis.expect("+OK", "SET", "theirs", value)
		theirs := bulk(t, redis.do("DUMP", "theirs"))
		here.expect("+OK", "RESTORE", "theirs", "0", theirs, "REPLACE")
		if got := bulk(t, here.do("GET", "theirs")); got != value {
			t.Errorf("%s became %.40q of %d here", name, got, len(got))
		}
		here.expect("+OK", "SET", "ours", value)
		ours := bulk(t, here.do("DUMP", "ours"))
		redis.expect("+OK", "RESTORE", "ours", "0", ours, "REPLACE")
		if got := bulk(t, redis.do("GET", "ours")); got != value {
			t.Errorf("%s became %.40q of %d there", name, got, len(got))
		}
		if len(value) <= 20 && ours[:len(ours)-dumpFooter] != theirs[:len(theirs)-dumpFooter] {
			t.Errorf("%s: dumped as %q here and as %q there", name, ours, theirs)
		}
	}
	redis.expect(":1", "RPUSH", "list", "a")
	here.expect("-ERR Bad data format\r\n", "RESTORE", "list", "0", bulk(t, redis.do("DUMP", "list")))
}

// A restored key is as often or as long ago used as RESTORE says, where the keyspace's policy keeps that.
func TestRestoredAccess(t *testing.T) {
	for policy, want := range map[shards.Eviction]string{shards.EvictAllKeysLRU: ":47\r\n", shards.EvictAllKeysLFU: ":77\r\n"} {
		b := newLocalBackend(1, "default")
		b.shards[0][0].store = store.New(store.Options{Access: true, Eviction: policy})
		b.now.Store(100_000)
		_, addr := startServer(t, b, Config{})
		c := dial(t, addr)
		dump := string(appendDumpFooter(appendDumped(nil, []byte("v")), 0))
		c.expect("+OK", "RESTORE", "idle", "0", dump, "IDLETIME", "40")
		c.expect("+OK", "RESTORE", "often", "0", dump, "FREQ", "77")
		c.expect("+OK", "RESTORE", "longest", "0", dump, "IDLETIME", "9223372036854775807")
		b.now.Store(107_900)
		if policy == shards.EvictAllKeysLRU {
			c.expect(want, "OBJECT", "IDLETIME", "idle")
			c.expect(":7\r\n", "OBJECT", "IDLETIME", "often")
		} else {
			c.expect(want, "OBJECT", "FREQ", "often")
			c.expect(":5\r\n", "OBJECT", "FREQ", "idle")
		}
	}
}

// FuzzRestore gives it dumps whose checksum is right. Memory is asked for before it is taken, and what comes out can be dumped again.
func FuzzRestore(f *testing.F) {
	for _, value := range dumped() {
		f.Add(appendDumped(nil, []byte(value)))
	}
	f.Add([]byte("\x00\xc3\x0e@P\x01aa\xe0=\x00\x01bc@\x02\x01bc"))
	f.Add(packedRun(1000))
	f.Fuzz(func(t *testing.T, dump []byte) {
		checked, err := checkDump(appendDumpFooter(bytes.Clone(dump), 0))
		if err != nil || !bytes.Equal(checked, dump) {
			t.Fatalf("%q is refused: %v", dump, err)
		}
		asked := 0
		value, err := restored(dump, func(n int) error {
			if asked = n; n > len(dump)*lzfMost {
				t.Fatalf("%d bytes want %d", len(dump), n)
			}
			return nil
		})
		if err != nil {
			return
		}
		if len(value) > max(len(dump), asked, len("-2147483648")) {
			t.Fatalf("%q became %d bytes, and asked for %d", dump, len(value), asked)
		}
		again, err := restored(appendDumped(nil, value), nil)
		if err != nil || !bytes.Equal(again, value) {
			t.Fatalf("%q became %q, and that %q, %v", dump, value, again, err)
		}
	})
}

// packedRun is a dump of n times the letter a, packed; n-1 is a multiple of 264, else it is one that promises too much.
func packedRun(n int) []byte {
	packed := append([]byte{0, 'a'}, bytes.Repeat([]byte{0xE0, 0xFF, 0}, (n-1)/264)...)
	dump := binary.BigEndian.AppendUint32([]byte{dumpString, dumpPacked, 0x80}, uint32(len(packed)))
	return append(binary.BigEndian.AppendUint32(append(dump, 0x80), uint32(n)), packed...)
}

func TestPackedDumps(t *testing.T) {
	free := func(int) error { return nil }
	most := 1 + 264*(store.MaxValue/264)
	for _, c := range []struct {
		n    int
		want error
	}{{1, nil}, {265, nil}, {1 + 264*1000, nil}, {266, errBadData}, {264, errBadData}, {most + 264, errTooLong}} {
		value, err := restored(packedRun(c.n), free)
		if err != c.want || err == nil && (len(value) != c.n || bytes.Count(value, []byte("a")) != c.n) {
			t.Errorf("%d: %d bytes, %v; want %v", c.n, len(value), err, c.want)
		}
	}
	full := errors.New("full")
	if _, err := restored(packedRun(265), func(int) error { return full }); err != full {
		t.Errorf("without room: %v", err)
	}
	for _, broken := range []string{"\x00", "\x00\x05hell", "\x00\x05helloo", "\x00\xc0", "\x00\xc0\x01\x01", "\x00\xc4\x01", "\x00\x82\x00", "\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff", "\x00\xc3\x03\x04\x20\x00\x00", "\x00\xc3\x01\x01\x20", "\x00\xc3\x02\x03\x01a", "\x01\x00"} {
		if _, err := restored([]byte(broken), free); err != errBadData {
			t.Errorf("%q: %v", broken, err)
		}
	}
}

// LCS and RESTORE count what they take beside their arguments, and give it back.
func TestTablesAndPackedValuesAreHeld(t *testing.T) {
	inACrowd(t, func(c crowded) {
		conn := c.join()
		restore := func(n int) string {
			dump := packedRun(n)
			return encode("RESTORE", "{k}a", "0", string(appendDumpFooter(dump, 0)), "REPLACE")
		}
		for range 3 {
			for _, ask := range []struct{ words, want string }{
				{restore(1 + 264*6000), "+OK"}, {restore(1 + 264*9000), "-" + string(errHeld)},
				{restore(1 + 264*15), "+OK"}, {encode("COPY", "{k}a", "{k}b", "REPLACE"), ":1"}, {encode("LCS", "{k}a", "{k}b", "LEN"), ":3961"}, {strings.Repeat(encode("LCS", "{k}a", "{k}b", "IDX", "MINMATCHLEN", "9999"), 2), "*4"}, // one table after the other
			} {
				c.send(conn, ask.words)
				if got := c.line(conn); got != ask.want {
					t.Fatalf("%.40q is answered %q, want %q", ask.words, got, ask.want)
				}
				if ask.want == "*4" {
					for _, want := range []string{"$7", "matches", "*0", "$3", "len", ":3961", "*4", "$7", "matches", "*0", "$3", "len", ":3961"} {
						if got := c.line(conn); got != want {
							t.Fatalf("%q, want %q", got, want)
						}
					}
				}
			}
			c.ask(conn, "+OK", "SET", "{k}a", strings.Repeat("ab", 9000))
			c.ask(conn, "-"+string(errLCSMemory), "LCS", "{k}a", "{k}b")
			if held, _, _ := c.s.Held(); held > 64<<10 { // the read buffer
				t.Fatalf("%d bytes are held", held)
			}
		}
	})
}
