package member

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

var (
	someHeartbeat = heartbeat{sent: 1 << 40, flood: 1 << 63, health: liveness.Health{Fsync: time.Millisecond, Queue: time.Hour, Late: 3, RoundTrip: 0}}
	someReply     = reply{
		epoch: 7, standing: liveness.Granted, grant: liveness.Grant{Sent: 1 << 40, Age: 12345, Lease: int64(1500 * time.Millisecond), Term: 1 << 50},
		version: 99, report: 5, flood: newFlood(map[shards.NodeID]Full{"n3": {Why: "its disk is full"}, "n1": {Memory: true, Why: "its memory is"}}),
	}
	someReport = report{
		number: 3, first: true, gone: []shards.ShardID{1, 1<<32 - 1},
		node: &policies.NodeLoad{Capacity: policies.Load{CPU: 4, Memory: 1 << 34, Disk: 1 << 40}, Used: policies.Load{CPU: 0.25, Memory: 1 << 30, Disk: 5}},
		copies: []CopyLoad{
			{Shard: 7, Primary: true, Cost: policies.Load{CPU: 0.5, Memory: 100, Disk: 1 << 50}, Apply: 0.125},
			{Shard: 8, Cost: policies.Load{Memory: 1}},
		},
	}
	someProbe  = probe{target: "n3", epoch: 4, timeout: 400 * time.Millisecond}
	someProbed = probed{answer: liveness.Answered, epoch: 5}

	someUnanswered = unanswered(2 * time.Second)
)

func TestMessagesComeBack(t *testing.T) {
	if h, err := decodeHeartbeat(someHeartbeat.encode()); err != nil || h != someHeartbeat {
		t.Errorf("%+v, %v", h, err)
	}
	if r, err := decodeReply(someReply.encode()); err != nil || !reflect.DeepEqual(r, someReply) {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := decodeReport(someReport.encode()); err != nil || !reflect.DeepEqual(r, someReport) {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := decodeReport((&report{number: 9}).encode()); err != nil || !reflect.DeepEqual(r, report{number: 9}) {
		t.Errorf("%+v, %v", r, err)
	}
	if p, err := decodeProbe(someProbe.encode()); err != nil || p != someProbe {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := decodeProbed(someProbed.encode()); err != nil || p != someProbed {
		t.Errorf("%+v, %v", p, err)
	}
	if u, err := decodeUnanswered(someUnanswered.encode()); err != nil || u != someUnanswered {
		t.Errorf("%v, %v", u, err)
	}
	if u, err := decodeUnanswered(unanswered(1 << 62).encode()); err != nil || u != unanswered(time.Hour) {
		t.Errorf("%v, %v", u, err)
	}
	bounded, err := decodeHeartbeat(heartbeat{health: liveness.Health{Fsync: -1, Queue: 1 << 62}}.encode())
	if err != nil || bounded.health != (liveness.Health{Queue: time.Hour}) {
		t.Errorf("figures outside their bounds: %+v, %v", bounded, err)
	}
}

func TestBadMessagesAreRefused(t *testing.T) {
	long := probe{target: "n" + "0123456789012345678901234567890123456789012345678901234567890123", epoch: 1}
	for name, decode := range map[string]func() error{
		"nothing":              func() error { _, err := decodeHeartbeat(nil); return err },
		"a reply as heartbeat": func() error { _, err := decodeHeartbeat(someReply.encode()); return err },
		"bytes at the end":     func() error { _, err := decodeHeartbeat(append(someHeartbeat.encode(), 0)); return err },
		"half of one":          func() error { _, err := decodeReply(someReply.encode()[:9]); return err },
		"far too long":         func() error { _, err := decodeReply(make([]byte, 1<<20)); return err },
		"a negative time":      func() error { _, err := decodeHeartbeat(heartbeat{sent: -1}.encode()); return err },
		"a lease of a year":    func() error { _, err := decodeReply(reply{grant: liveness.Grant{Lease: 1 << 60}}.encode()); return err },
		"a standing of 9":      func() error { _, err := decodeReply(reply{standing: 9}.encode()); return err },
		"an answer of 9":       func() error { _, err := decodeProbed(probed{answer: 9}.encode()); return err },
		"a target with no id":  func() error { _, err := decodeProbe(probe{epoch: 1}.encode()); return err },
		"a long sentence": func() error {
			_, err := decodeReply(reply{flood: flood{list: []Flood{{"n1", Full{Why: strings.Repeat("x", maxWhy+1)}}}}}.encode())
			return err
		},
		"a full node of no id": func() error {
			_, err := decodeReply(reply{flood: flood{list: []Flood{{"", Full{Why: "full"}}}}}.encode())
			return err
		},
		"half a report": func() error { b := someReport.encode(); _, err := decodeReport(b[:len(b)-3]); return err },
		"too many copies": func() error {
			_, err := decodeReport((&report{copies: make([]CopyLoad, maxCopies+1)}).encode())
			return err
		},
		"a shard of 33 bits": func() error {
			_, err := decodeReport([]byte{0x95, 1, 0xc2, 0x90, 0x91, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0, 0x90})
			return err
		},
		"a target's long id": func() error { _, err := decodeProbe(long.encode()); return err },
	} {
		if err := decode(); err == nil {
			t.Errorf("%s is taken", name)
		} else if !strings.Contains(err.Error(), " ") {
			t.Errorf("%s: %q is no sentence", name, err)
		}
	}
}

// FuzzMessages: what is decoded is within its bounds, and what is encoded again is the same.
func FuzzMessages(f *testing.F) {
	for _, m := range [][]byte{someHeartbeat.encode(), someReply.encode(), someProbe.encode(), someProbed.encode(), someReport.encode(), someUnanswered.encode(), nil, {0x95}} {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if h, err := decodeHeartbeat(body); err == nil {
			if again, err := decodeHeartbeat(h.encode()); err != nil || again != h || h.sent < 0 || h.health.Late > time.Hour {
				t.Errorf("%+v, %+v, %v", h, again, err)
			}
		}
		if r, err := decodeReply(body); err == nil {
			if again, err := decodeReply(r.encode()); err != nil || !reflect.DeepEqual(again, r) || r.grant.Age < 0 || r.grant.Lease > liveness.MaxLease || r.standing > liveness.Withheld {
				t.Errorf("%+v, %+v, %v", r, again, err)
			}
		}
		if r, err := decodeReport(body); err == nil {
			if again, err := decodeReport(r.encode()); err != nil || len(again.copies) != len(r.copies) || again.number != r.number || len(r.copies) > maxCopies {
				t.Errorf("%+v, %+v, %v", r, again, err)
			}
		}
		if p, err := decodeProbe(body); err == nil {
			if again, err := decodeProbe(p.encode()); err != nil || again != p || p.timeout > maxTimeout || len(p.target) > maxNode || p.target == "" {
				t.Errorf("%+v", p)
			}
		}
		if u, err := decodeUnanswered(body); err == nil && (u < 0 || u > unanswered(time.Hour)) {
			t.Errorf("%v", u)
		}
		if p, err := decodeProbed(body); err == nil && p.answer > liveness.Answered {
			t.Errorf("%+v", p)
		}
	})
}
