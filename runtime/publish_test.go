package runtime

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// TestPublishComesBehindTheWriteBeforeIt: who hears of a write by a message that was sent behind it, on one connection and in one
// piece, finds the write.
func TestPublishComesBehindTheWriteBeforeIt(t *testing.T) {
	n := start(t, Config{Data: t.TempDir(), RESP: "127.0.0.1:0", Keyspaces: []shards.Keyspace{{Name: "default", Shards: 2}}})
	listener, reader, writer := speak(t, n), speak(t, n), speak(t, n)
	listener.do("SUBSCRIBE", "news")
	for i := range 20 {
		v := fmt.Sprint(i)
		var text strings.Builder
		for _, words := range [][]string{{"SET", "k", v}, {"PUBLISH", "news", v}} {
			fmt.Fprintf(&text, "*%d\r\n", len(words))
			for _, word := range words {
				fmt.Fprintf(&text, "$%d\r\n%s\r\n", len(word), word)
			}
		}
		if _, err := io.WriteString(writer.nc, text.String()); err != nil {
			t.Fatal(err)
		}
		heard := listener.reply()
		if got := reader.do("GET", "k"); !strings.Contains(got, v) {
			t.Fatalf("heard %q, and GET says %q", heard, got)
		}
		writer.reply()
		writer.reply()
	}
}
