package main

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

func TestOwners(t *testing.T) {
	table := "a 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-8191 [3->-b]\n" +
		"b 127.0.0.1:3@4,host master - 0 0 2 connected 8193-16383 8192\n" +
		"c 127.0.0.1:5@6 slave a 0 0 1 connected\n"
	owners, err := parseOwners(table)
	if err != nil {
		t.Fatal(err)
	}
	for slot, want := range map[shards.Slot]string{0: "127.0.0.1:1", 8191: "127.0.0.1:1", 8192: "127.0.0.1:3", 16383: "127.0.0.1:3"} {
		if owners[slot] != want {
			t.Errorf("slot %d: %q, want %q", slot, owners[slot], want)
		}
	}
	if _, err := parseOwners(strings.ReplaceAll(table, " 8192\n", "\n")); err == nil {
		t.Error("a slot without a master was not noticed")
	}
}

func TestMedian(t *testing.T) {
	got := median([]sample{{rate: 3, cpu: 1}, {rate: 1, cpu: 9}, {rate: 2, cpu: 2}, {rate: 10, cpu: 4}})
	if got.rate != 2.5 || got.cpu != 3 {
		t.Errorf("%+v", got)
	}
}

func TestSampleCountsWritesNotBatches(t *testing.T) {
	d := drive{pipeline: 16, took: [][]time.Duration{{time.Millisecond}, {3 * time.Millisecond}}}
	got, err := d.sample(2*time.Second, 32*time.Microsecond)
	if err != nil || got.rate != 16 || got.cpu != 1 || got.p50 != 3000 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := (&drive{took: make([][]time.Duration, 2)}).sample(time.Second, 0); err == nil {
		t.Error("a round without any write is a result")
	}
}

// TestPutRequest reads the message back by protobuf's rules: a tag, a length, the bytes.
func TestPutRequest(t *testing.T) {
	b := putRequest("key", strings.Repeat("v", 300))
	for field, want := range []int{3, 300} {
		if b[0] != byte(field+1)<<3|2 {
			t.Fatalf("field %d has tag %d", field+1, b[0])
		}
		size, n := binary.Uvarint(b[1:])
		if int(size) != want {
			t.Fatalf("field %d has %d bytes, want %d", field+1, size, want)
		}
		b = b[1+n+want:]
	}
	if len(b) > 0 {
		t.Errorf("%d bytes too many", len(b))
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	one := row{match: "fsync", pipeline: 1, target: 0.2, beside: "etcd", ours: sample{rate: 20, cpu: 30}, theirs: sample{rate: 10, cpu: 100}}
	if err := printTable(&out, &options{connections: 50}, []row{one}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0.30", "<= 0.20 MISSED", "2.00"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if met := verdict(0.2, 0.2); met != "<= 0.20 met" {
		t.Errorf("exactly the target: %s", met)
	}
}
