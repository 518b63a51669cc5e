// Command policy-go is a placement policy: a cloud's spot nodes are cheap, and may be taken away at any moment. By day somebody
// looks after that. At night the shards of some tenants had better be on nodes that stay.
package main

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	troupe "github.com/troupe-actors/troupe/wasm/guest/go"
)

//go:embed manifest.json
var manifest string

func init() { troupe.Use(&nightShift{}, manifest) }

func main() {}

// The reasons, by the manifest's codes.
const (
	atNight = 1
	soon    = 2
)

const day = 24 * 3600 // seconds

// nightShift knows what Prepare found out: which nodes are spot nodes, and what time it is for each keyspace.
type nightShift struct {
	spot []bool
	hour []uint8 // by keyspace: 0, atNight or soon
}

// Prepare reads the clock and the settings once for all questions that follow.
func (p *nightShift) Prepare() error {
	p.spot = make([]bool, troupe.Nodes())
	for n := range p.spot {
		p.spot[n] = troupe.Attribute(n, "class") == troupe.SettingNamed("class").Text()
	}
	tenants := troupe.SettingNamed("tenants").List()
	p.hour = make([]uint8, troupe.Keyspaces())
	for k := range p.hour {
		from, to, err := hours(troupe.SettingOf(troupe.KeyspaceName(k), "night").Text())
		if err != nil {
			return err
		}
		for _, pattern := range tenants {
			if troupe.Matches(pattern, troupe.KeyspaceName(k)) {
				p.hour[k] = phase(from, to)
			}
		}
	}
	return nil
}

// phase says whether it is night, or will be soon. Without a clock it is day: a rule that guesses would move everything.
func phase(from, to int64) uint8 {
	if troupe.Now() == 0 {
		return 0
	}
	now := troupe.Now() + int64(troupe.SettingNamed("utc_offset").Number())/1000
	since, length := mod(now-from, day), mod(to-from, day)
	switch {
	case since < length:
		return atNight
	case day-since <= int64(troupe.SettingNamed("before").Number())/1000:
		return soon
	}
	return 0
}

func mod(a, b int64) int64 { return (a%b + b) % b }

// hours reads "22:00-06:00" as seconds of the day.
func hours(night string) (from, to int64, err error) {
	first, last, found := strings.Cut(night, "-")
	from, ok := clock(first)
	to, fine := clock(last)
	if !found || !ok || !fine || from == to {
		return 0, 0, fmt.Errorf("setting night is %q; must be two times, as in 22:00-06:00", night)
	}
	return from, to, nil
}

func clock(text string) (int64, bool) {
	h, m, found := strings.Cut(text, ":")
	hour, err := strconv.Atoi(h)
	minute, wrong := strconv.Atoi(m)
	return int64(hour*3600 + minute*60), found && err == nil && wrong == nil && hour >= 0 && hour < 24 && minute >= 0 && minute < 60
}

// Allocate puts nothing on a spot node at night, nor shortly before if another will do.
func (p *nightShift) Allocate(q troupe.Question, r troupe.Row) {
	switch p.hour[troupe.ShardKeyspace(q.Shard)] {
	case atNight:
		p.say(r, troupe.No, atNight)
	case soon:
		p.say(r, troupe.NotPreferred, soon)
	}
}

// Remain moves what is on a spot node when night comes.
func (p *nightShift) Remain(q troupe.Question, r troupe.Row) {
	if p.hour[troupe.ShardKeyspace(q.Shard)] == atNight {
		p.say(r, troupe.No, atNight)
	}
}

// Promote lets a copy on a spot node lead at night only if no other can: a failover waits for no rule.
func (p *nightShift) Promote(q troupe.Question, r troupe.Row) {
	if p.hour[troupe.ShardKeyspace(q.Shard)] == atNight {
		p.say(r, troupe.NotPreferred, atNight)
	}
}

func (p *nightShift) say(r troupe.Row, v troupe.Verdict, reason uint8) {
	for n, spot := range p.spot {
		if spot {
			r.Say(n, v, reason)
		}
	}
}

// Explain names the node, the setting and its value.
func (p *nightShift) Explain(_ troupe.Capability, q troupe.Question, n int, a troupe.Answer) string {
	keyspace := troupe.KeyspaceName(troupe.ShardKeyspace(q.Shard))
	night := troupe.SettingOf(keyspace, "night").Text()
	if a.Reason() == soon {
		return fmt.Sprintf("node %s is a %s node, and setting night of keyspace %s is %s, which begins in less than %s",
			troupe.NodeName(n), troupe.SettingNamed("class").Text(), keyspace, night, troupe.Milliseconds(int64(troupe.SettingNamed("before").Number())))
	}
	return fmt.Sprintf("node %s is a %s node, and setting night of keyspace %s is %s", troupe.NodeName(n), troupe.SettingNamed("class").Text(), keyspace, night)
}
