package harness

import (
	"bufio"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestReplies(t *testing.T) {
	cases := []struct {
		wire string
		want any
		err  error
	}{
		{"+OK\r\n", "OK", nil},
		{"$5\r\na\r\nbc\r\n", "a\r\nbc", nil},
		{"$-1\r\n", nil, nil},
		{":-12\r\n", int64(-12), nil},
		{"-ERR no\r\n", nil, ReplyError("ERR no")},
		{"*3\r\n:1\r\n-ERR x\r\n*0\r\n", []any{int64(1), ReplyError("ERR x"), []any{}}, nil},
		{"?\r\n", nil, errReply},
		{"+\n", nil, errReply},
		{strings.Repeat("*1\r\n", 20), nil, errReply},
	}
	for _, c := range cases {
		conn := &Conn{in: bufio.NewReader(strings.NewReader(c.wire))}
		got, err := conn.Receive()
		if !reflect.DeepEqual(got, c.want) || !errors.Is(err, c.err) {
			t.Errorf("%q: got %v, %v; want %v, %v", c.wire, got, err, c.want, c.err)
		}
	}
}
