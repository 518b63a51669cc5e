package sim

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/troupe-actors/troupe/shards/activation"
)

// deed is what a message asks of an actor.
type deed uint8

// The deeds. An actor's state is a sum: how many messages have changed it, and a hash over them in their order, so that an answer
// says which ones its activation knew.
const (
	look deed = iota // answer, and change nothing
	add
	even   // add, if the count is even; else refuse
	odd    // add, if the count is odd; else say that it is not
	send   // add, and send letters
	wonder // add, and send questions
	remind // add, and set a reminder
)

var deedNames = [...]string{"look", "add", "even", "odd", "send", "wonder", "remind"}

// token names a message in its world.
type token struct {
	client uint64
	lane   uint32
	seq    uint64
}

func tokenOf(c activation.Call) token { return token{c.Client, c.Lane, c.Seq} }

// sum is an actor's state.
type sum struct{ count, hash uint64 }

func (s sum) with(t token) sum {
	f := story{hash: s.hash}
	f.fold(t.client, uint64(t.lane), t.seq)
	return sum{s.count + 1, f.hash}
}

// outcome is what a message comes to.
type outcome struct {
	sum     sum
	done    bool // it has changed something
	refused bool
}

// do is the handler of every deed.
func (d deed) do(s sum, t token) outcome {
	switch {
	case d == even && s.count%2 != 0:
		return outcome{refused: true}
	case d == look, d == odd && s.count%2 == 0:
		return outcome{sum: s}
	}
	return outcome{s.with(t), true, false}
}

// reply is the outcome as it is kept; replied reads it.
func (o outcome) reply() activation.Reply {
	if o.refused {
		return activation.Reply{Code: 1, Text: "the count is odd"}
	}
	body := append([]byte("no "), o.sum.encode(nil)...)
	if o.done {
		copy(body, "yes")
	}
	return activation.Reply{Body: body}
}

func replied(r activation.Reply) (o outcome, ok bool) {
	if r.Code != 0 {
		return outcome{refused: true}, true
	}
	if len(r.Body) != 19 {
		return o, false
	}
	o.sum, o.done = decodeSum(r.Body[3:]), r.Body[0] == 'y'
	return o, true
}

func (s sum) encode(dst []byte) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(dst, s.count), s.hash)
}

func decodeSum(b []byte) sum {
	return sum{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}

// Keys of an actor, as actors/virtual has them: all lie in the slot of its tag, and begin with its keyspace.
//
//	a:s/{a:3}               state
//	a:r/{a:3}/CLIENT.LANE   the last reply
//	a:o/{a:3}/NUMBER        a letter, or a question until its answer is handled
//	a:m/{a:3}/NAME          a reminder
//	a:d/{a:3}/heard         the answer that was handled last, as a token
func keyOf(class byte, actor, rest string) string {
	space, _, _ := strings.Cut(actor, ":")
	return space + ":" + string(class) + "/{" + actor + "}" + rest
}

// readKey takes a key apart; false if it is not an actor's.
func readKey(key string) (class byte, actor, rest string, ok bool) {
	from, to := strings.Index(key, "/{"), strings.IndexByte(key, '}')
	if from < 2 || to < from {
		return 0, "", "", false
	}
	return key[from-1], key[from+2 : to], key[to+1:], true
}

func replyKey(actor string, c activation.Call) string {
	return keyOf('r', actor, fmt.Sprintf("/%016x.%d", c.Client, c.Lane))
}

// letter is a message of one actor to another.
type letter struct {
	number uint64
	to     string
	do     deed
	asks   bool  // it is a question
	begun  int64 // by history.tick, when it was committed
}

func (l *letter) key(from string) string { return keyOf('o', from, fmt.Sprintf("/%016x", l.number)) }

func (l *letter) encode() []byte {
	first := byte(l.do)
	if l.asks {
		first |= questionBit
	}
	return append([]byte{first}, l.to...)
}

const questionBit = 0x80

func decodeLetter(rest string, value []byte) (l letter, err error) {
	if _, err := fmt.Sscanf(rest, "/%x", &l.number); err != nil || len(value) < 2 {
		return l, fmt.Errorf("%q with %d bytes is no letter", rest, len(value))
	}
	l.do, l.asks, l.to = deed(value[0]&^questionBit), value[0]&questionBit != 0, string(value[1:])
	return l, nil
}

// clientOf is the client of an actor's letters.
func clientOf(actor string) uint64 {
	f := story{}
	for _, b := range []byte(actor) {
		f.fold(uint64(b))
	}
	return f.hash | 1
}
