package activation

import (
	"encoding/binary"
	"fmt"
)

// What an actor keeps of itself, little-endian:
//
//	state   sent u64 │ the state's own bytes
//	reply   seq u64  │ the reply                      the last one to a lane; a reply does not begin with a byte of 0
//	        seq u64  │ 0 │ code u8 │ text             the call was refused
const header = 8

// AppendState appends a state as it is kept: the number of the last message sent, and then its bytes, which the caller appends.
func AppendState(dst []byte, sent uint64) []byte { return binary.LittleEndian.AppendUint64(dst, sent) }

// State reads what AppendState began.
func State(kept []byte) (sent uint64, state []byte, err error) {
	if len(kept) < header {
		return 0, nil, fmt.Errorf("its state has %d bytes, which is none", len(kept))
	}
	return binary.LittleEndian.Uint64(kept), kept[header:], nil
}

// Reply is what a call was answered. One that has a Code was refused, for the reason that Text gives.
type Reply struct {
	Body []byte
	Code uint8
	Text string
}

// AppendReply appends a reply to the call of this number as it is kept.
func AppendReply(dst []byte, seq uint64, r Reply) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, seq)
	if r.Code != 0 {
		return append(append(dst, 0, r.Code), r.Text...)
	}
	return append(dst, r.Body...)
}

// Answered reads the reply that is kept for a call's lane. The call is known if that is its own; or a later one's: then nobody waits
// for this call any more, and it is answered with nothing.
func (m Call) Answered(kept []byte) (r Reply, known bool) {
	if len(kept) < header {
		return r, false
	}
	seq, rest := binary.LittleEndian.Uint64(kept), kept[header:]
	switch {
	case seq < m.Seq:
		return r, false
	case seq > m.Seq:
		return r, true
	case len(rest) > 1 && rest[0] == 0:
		return Reply{Code: rest[1], Text: string(rest[2:])}, true
	}
	return Reply{Body: rest}, true
}
