package recovery

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
)

// Config of both ends of a stream, and of a hand-over. Zero values stand for the defaults.
type Config struct {
	Shard shards.ShardID

	Window       int // chunks sent and not loaded yet, default 16
	WindowBytes  int // likewise in bytes, default 4 MiB; one chunk is always allowed
	BytesPerTick int // what one source sends on average, see Limit; default 2 MiB: 40 MiB a second of 50 ms ticks
	ResendTicks  int // what is unanswered goes out again, then after doubled pauses; default 10
	SilenceTicks int // a silent peer ends the stream, default 200: 10 s

	PauseTicks     int // the first try of a hand-over has writes wait for so long at most, default 10: half a second, usually one round trip
	MostPauseTicks int // and each further one twice as long, up to this, default 80: 4 s, for disks that take seconds for an fsync
	BackoffTicks   int // time between two tries, default 40
}

func (c *Config) validate() error {
	for _, field := range []struct {
		name     string
		value    *int
		standard int
	}{
		{"Window", &c.Window, 16}, {"WindowBytes", &c.WindowBytes, 4 << 20}, {"BytesPerTick", &c.BytesPerTick, 2 << 20},
		{"ResendTicks", &c.ResendTicks, 10}, {"SilenceTicks", &c.SilenceTicks, 200},
		{"PauseTicks", &c.PauseTicks, 10}, {"MostPauseTicks", &c.MostPauseTicks, 80}, {"BackoffTicks", &c.BackoffTicks, 40},
	} {
		if *field.value == 0 {
			*field.value = field.standard
		}
		if *field.value < 0 {
			return fmt.Errorf("recovery: %s is %d; it must be positive, or 0 for %d", field.name, *field.value, field.standard)
		}
	}
	return nil
}
