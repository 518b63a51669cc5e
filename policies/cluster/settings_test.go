package cluster

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSettings(t *testing.T) {
	rules := SettingRules()
	if !slices.IsSortedFunc(rules, func(a, b SettingRule) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the rules are not sorted by name")
	}
	for _, r := range rules {
		if known, err := CheckSetting(r.Name, r.Default); !known || err != nil || r.Doc == "" {
			t.Errorf("%s: the default %q is refused, or it has no doc: %v", r.Name, r.Default, err)
		}
		if known, err := CheckSetting(r.Name, "a,,b"); !known || err == nil || !strings.Contains(err.Error(), r.Name) {
			t.Errorf("%s takes rubbish: %v", r.Name, err)
		}
	}
	for name, value := range map[string]string{SettingAwareness: "zone,r\xffck", SettingInclude + "z\xffne": "a", "keyspace.orders.routing.allocation.exclude.zone": "\xc3"} {
		if known, err := CheckSetting(name, value); !known || err == nil || !strings.Contains(err.Error(), "UTF-8") {
			t.Errorf("%q is taken for setting %q: %v", value, name, err)
		}
		if known, err := CheckSetting(name, ""); !known || err != nil {
			t.Errorf("setting %q cannot be removed: %v", name, err)
		}
	}
	if known, err := CheckSetting("somebody.else", "x"); known || err != nil {
		t.Errorf("a setting of others: %t %v", known, err)
	}
	s := &State{Settings: []Setting{{SettingMaxRetries, "many"}, {SettingConcurrentRecoveries, "3"}, {SettingNodeLeftDelay, "90s"}}}
	if got := s.Number(SettingConcurrentRecoveries); got != 3 {
		t.Errorf("recoveries %d", got)
	}
	if got := s.Number(SettingMaxRetries); got != 5 {
		t.Errorf("what nobody can read stands for the default: %d", got)
	}
	if got := s.Duration(SettingNodeLeftDelay); got != 90*time.Second {
		t.Errorf("delay %v", got)
	}
	if got := s.Value(SettingAllocationEnable); got != EnableAll {
		t.Errorf("enable %q", got)
	}
}

func TestWhichSettingsThereAre(t *testing.T) {
	for name, want := range map[string]string{
		"cluster.routing.allocation.include.zone":                 "cluster.routing.allocation.include.{ATTRIBUTE}",
		"cluster.routing.allocation.include._ip":                  "cluster.routing.allocation.include.{ATTRIBUTE}",
		"cluster.routing.allocation.include._tier":                "",
		"cluster.routing.allocation.include.":                     "",
		"cluster.routing.allocation.awareness.force.zone.values":  "cluster.routing.allocation.awareness.force.{ATTRIBUTE}.values",
		"cluster.routing.allocation.awareness.force.zone":         "",
		"cluster.routing.replace.N1":                              "cluster.routing.replace.{NODE}",
		"cluster.coverage.orders":                                 "cluster.coverage",
		"keyspace.orders.routing.rebalance.enable":                "cluster.routing.rebalance.enable",
		"keyspace.a.routing.b.routing.allocation.include.rack":    "cluster.routing.allocation.include.{ATTRIBUTE}", // "a.routing.b" is a name too
		"keyspace..routing.rebalance.enable":                      "",
		"keyspace.orders.routing.allocation.same_shard.host":      "", // of the cluster alone
		"keyspace.orders.routing.rebalance.enabled":               "",
		"cluster.routing.allocation.disk.watermark.low":           "cluster.routing.allocation.disk.watermark.low",
		"cluster.routing.allocation.disk.watermark.low.whatever":  "",
		"cluster.routing.allocation.memory.watermark.flood_stage": "cluster.routing.allocation.memory.watermark.flood_stage",
	} {
		if r, known := RuleOf(name); r.Name != want || known != (want != "") {
			t.Errorf("%s is taken for %q", name, r.Name)
		}
	}
}

// plan: "Keyspace-scoped form of a cluster setting: keyspace.NAME.routing.… for cluster.routing.…".
func TestKeyspacesSpeakForThemselves(t *testing.T) {
	s := &State{Settings: []Setting{{SettingAllocationEnable, EnablePrimaries}, {"keyspace.a.routing.allocation.enable", EnableNone},
		{"keyspace.b.routing.allocation.enable", "rubbish"}}}
	for keyspace, want := range map[string][2]string{
		"a": {EnableNone, "keyspace.a.routing.allocation.enable"}, "b": {EnablePrimaries, SettingAllocationEnable}, "c": {EnablePrimaries, SettingAllocationEnable},
	} {
		if value, from := s.Scoped(keyspace, SettingAllocationEnable); value != want[0] || from != want[1] {
			t.Errorf("%s: %s from %s", keyspace, value, from)
		}
	}
	if value, from := s.Scoped("a", SettingVoterGrace); value != "3s" || from != SettingVoterGrace {
		t.Errorf("%s from %s", value, from)
	}
}

func TestWatermarks(t *testing.T) {
	const gb = 1 << 30
	for _, c := range []struct {
		text     string
		capacity float64
		headroom float64
		want     float64
	}{
		{"85%", 100 * gb, 0, 85 * gb}, {"85%", 1000 * gb, 20 * gb, 980 * gb}, {"85%", 100 * gb, 20 * gb, 85 * gb},
		{"20gb", 100 * gb, 1 * gb, 80 * gb}, {"200gb", 100 * gb, 0, 0}, {"0%", 100 * gb, 0, 0}, {"100%", 100 * gb, 0, 100 * gb}, {"1.5gb", 2 * gb, 0, gb / 2},
	} {
		w, err := ParseWatermark(c.text)
		if got := w.Limit(c.capacity, c.headroom); err != nil || got != c.want {
			t.Errorf("%s of %.0f: %.0f, want %.0f; %v", c.text, c.capacity, got, c.want, err)
		}
	}
	for _, text := range []string{"", "%", "101%", "-1%", "NaN%", "5", "gb", "-3gb", "0b", "1e9tb", "Infgb", "NaNb", "5 gb%"} {
		if w, err := ParseWatermark(text); err == nil {
			t.Errorf("%q is taken for %+v", text, w)
		}
	}
	if h, err := ParseHeadroom("-1"); h != 0 || err != nil {
		t.Error(h, err)
	}
}

func TestWindows(t *testing.T) {
	at := func(text string) time.Time {
		v, err := time.Parse("Mon 2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		windows, at, next string // next change
		open              bool
	}{
		{"Mon-Fri 22:00-06:00", "Mon 2026-11-23 21:59", "Mon 2026-11-23 22:00", false},
		{"Mon-Fri 22:00-06:00", "Mon 2026-11-23 22:00", "Tue 2026-11-24 06:00", true},
		{"Mon-Fri 22:00-06:00", "Tue 2026-11-24 05:59", "Tue 2026-11-24 06:00", true},
		{"Mon-Fri 22:00-06:00", "Mon 2026-11-23 05:00", "Mon 2026-11-23 22:00", false}, // Sunday night is not among them
		{"Mon-Fri 22:00-06:00", "Sat 2026-11-28 03:00", "Sat 2026-11-28 06:00", true},
		{"Sun 22:00-06:00", "Mon 2026-11-23 05:59", "Mon 2026-11-23 06:00", true}, // past the end of the week
		{"Sun 00:00-24:00", "Sun 2026-11-29 23:59", "Mon 2026-11-30 00:00", true},
		{"Sun 00:00-24:00", "Mon 2026-11-30 00:00", "Sun 2026-12-06 00:00", false},
		{"Sat-Mon 10:00-11:00, tue 1:30-2:00", "Sun 2026-11-29 10:30", "Sun 2026-11-29 11:00", true},
		{"Sat-Mon 10:00-11:00, tue 1:30-2:00", "Tue 2026-11-24 01:30", "Tue 2026-11-24 02:00", true},
		{"Sat-Mon 10:00-11:00, tue 1:30-2:00", "Wed 2026-11-25 10:30", "Sat 2026-11-28 10:00", false},
	} {
		windows, err := ParseWindows(c.windows)
		if err != nil {
			t.Fatal(err)
		}
		now := at(c.at)
		if open := slices.ContainsFunc(windows, func(w Window) bool { return w.In(now) }); open != c.open {
			t.Errorf("%s at %s: %t", c.windows, c.at, open)
		}
		if next := NextChange(windows, now); !next.Equal(at(c.next)) {
			t.Errorf("%s at %s changes at %v, want %s", c.windows, c.at, next, c.next)
		}
	}
	for _, text := range []string{"", "Mon", "Mon 22", "Mon 22:00", "Mon 22:00-25:00", "Mon 24:00-02:00", "Moon 22:00-23:00", "Mon-Fry 22:00-23:00", "Mon 22:0-23:00", "Mon 22:60-23:00",
		"Mon 22:00-23:00,", "Mon -1:00-2:00"} {
		if w, err := ParseWindows(text); err == nil {
			t.Errorf("%q is taken for %+v", text, w)
		}
	}
	if !NextChange(nil, at("Mon 2026-11-23 00:00")).IsZero() {
		t.Error("nothing changes where there are no windows")
	}
}

// The page that people read is made of the rules, with -rewrite.
func TestSettingsPage(t *testing.T) {
	const page = "SETTINGS.md"
	var b strings.Builder
	b.WriteString("# Dynamic settings\n\n" +
		"They are kept in the cluster state and hold from the next plan on: `troupe settings set NAME=VALUE`, or PUT /_cluster/settings; no value goes\n" +
		"back to the default. Numbers of the placement leader (`cluster.liveness.`) and of copies (`indices.recovery.`, `cluster.replication.`) hold from their next tick on. Names are Elasticsearch's where the thing is the same. What is in braces is chosen by whoever sets it. Where the last column\n" +
		"says so a keyspace may say it for itself, by the name that begins with `keyspace.NAME.routing.` in place of `cluster.routing.`: filters and the\n" +
		"bound on copies then hold in addition to the cluster's, all others in place of it.\n\n" +
		"| Setting | Default | Takes | For | Keyspace |\n|---|---|---|---|---|\n")
	for _, r := range SettingRules() {
		own := ""
		switch {
		case r.Scoped:
			own = "yes"
		case r.Name == SettingCoverage:
			own = "as `" + SettingCoverage + ".NAME`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", r.Name, r.Default, strings.ReplaceAll(r.Takes(), "|", "\\|"), r.Doc, own)
	}
	if *rewrite {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if text, err := os.ReadFile(page); err != nil || string(text) != b.String() {
		t.Errorf("%s does not say what the rules say; go test ./policies/cluster -run SettingsPage -rewrite makes it anew (%v)", page, err)
	}
}
