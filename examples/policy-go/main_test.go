package main

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/troupe-actors/troupe/examples/policytest"
	troupe "github.com/troupe-actors/troupe/wasm/guest/go"
)

// TestModule builds the module, which at 2.5 MB is not kept, and plays an evening.
func TestModule(t *testing.T) {
	if testing.Short() {
		t.Skip("building a guest takes the compiler seconds")
	}
	module := policytest.Build{Compiler: "go", Arguments: []string{"build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", "OUT", "."},
		Env: []string{"GOOS=wasip1", "GOARCH=wasm"}, Pack: true}.Module(t)
	for _, fixture := range []string{"day.yaml", "evening.yaml", "night.yaml"} {
		t.Run(fixture, func(t *testing.T) { policytest.Play(t, module, fixture) })
	}
}

// TestNight asks the rule natively, through a whole day.
func TestNight(t *testing.T) {
	for _, c := range []struct {
		night string
		clock int64 // hours, UTC; the nodes are an hour ahead
		want  string
	}{
		{"22:00-06:00", 12, "00"}, {"22:00-06:00", 20, "00"}, {"22:00-06:00", 21, "c1"}, {"22:00-06:00", 3, "c1"}, {"22:00-06:00", 5, "00"},
		{"01:00-04:00", 0, "c1"}, {"01:00-04:00", 3, "00"}, {"22:20-06:00", 21, "42"},
	} {
		w := troupe.NewWorld(1, 1, 1, 2)
		w.Attribute(0, "class", "spot")
		w.Text("keyspace_name", 0, "acme-orders")
		w.Set("now", 0, float64(20_000*24*3600+c.clock*3600))
		settings := fmt.Sprintf(`{"settings":{"tenants":["acme-*"],"night":%q,"utc_offset":3600000,"before":1800000,"class":"spot"},"keyspaces":{}}`, c.night)
		if err := w.Ready(settings); err != nil {
			t.Fatal(err)
		}
		r := make(troupe.Row, 1)
		troupe.Allocate(0, troupe.None, 0, unsafe.Pointer(&r[0]))
		if got := fmt.Sprintf("%x", []byte(r)); got != c.want {
			t.Errorf("night %s, at %d:00 UTC: %s; wanted %s", c.night, c.clock, got, c.want)
		}
	}
}

func TestNightIsRefused(t *testing.T) {
	for _, night := range []string{"", "22:00", "22-6", "24:00-06:00", "06:00-06:00", "a:b-c:d"} {
		w := troupe.NewWorld(1, 1, 1, 2)
		if err := w.Ready(fmt.Sprintf(`{"settings":{"night":%q}}`, night)); err == nil {
			t.Errorf("night %q was taken", night)
		}
	}
}
