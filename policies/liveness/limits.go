package liveness

import "time"

// The arithmetic of the detector, free of its state. All times are ticks unless their name says otherwise.

// slack is what counting in ticks may be off by: a time is noted up to one tick late or early at either end.
const slack = 2

// margin is what is added to a lease before it has certainly ended: the drift of two clocks over its length, rounded up, and slack.
func margin(lease, driftPPM int) int64 {
	return (int64(lease)*int64(driftPPM)+999_999)/1_000_000 + slack
}

// leaseOver says whether a lease granted at a tick has certainly ended at another.
func leaseOver(granted, now int64, lease, driftPPM int) bool {
	return now-granted >= int64(lease)+margin(lease, driftPPM)
}

// silence is how long a node may stay silent before it is suspect.
func silence(misses, heartbeat, health int, adapt int64) int64 {
	return int64(misses)*int64(heartbeat)*int64(1+health) + adapt
}

// adaptation is what an uneven or slow network adds to limits: four mean deviations of the arrival of heartbeats, as in
// TCP's retransmission timer, and the round trip; never more than most.
func adaptation(deviation, roundTrip eighths, most int) int64 {
	return min(4*deviation.ceil()+roundTrip.ceil(), int64(most))
}

// eighths is a smoothed value in eighths of a tick.
type eighths int64

// smooth moves a smoothed value an eighth of the way to a sample in ticks; a first sample counts in full if the value is 0.
func (e eighths) smooth(sample int64) eighths {
	return e - e/8 + eighths(sample)
}

// ceil rounds up to ticks; less than half a tick is noise of the counting, and 0.
func (e eighths) ceil() int64 {
	if e < 4 {
		return 0
	}
	return int64(e+7) / 8
}

// deviationOf is how far the time between two heartbeats was from what it should have been. Shorter gaps are what follows
// a long one, and say nothing new.
func deviationOf(gap int64, heartbeat int) int64 {
	return max(0, gap-int64(heartbeat)-1) // heartbeats and ticks are not in step: one tick is no deviation
}

// inTicks rounds a measured time up to ticks, bounded so that no figure of a member can overflow a sum.
func inTicks(measured, tick time.Duration) int64 {
	if measured <= 0 {
		return 0
	}
	return min((int64(measured)-1)/int64(tick)+1, maxTicks)
}

// worsen is the detector's ill health after a tick that came late.
func worsen(health int, late int64, unit, most int) int {
	return int(min(int64(health)+late/int64(unit), int64(most)))
}

// mostSilent says whether so many members are silent at once that the ear is rather at fault than the mouths: more than
// half of at least two.
func mostSilent(silent, members int) bool {
	return members >= 2 && 2*silent > members
}

// hold is how long a node with so many lives in short order is kept from new copies: nothing for the first return,
// then base, doubled with each further one, up to most.
func hold(lives, base, most int) int64 {
	if lives < 2 {
		return 0
	}
	h := int64(base)
	for i := 2; i < lives && h < int64(most); i++ {
		h *= 2
	}
	return min(h, int64(most))
}

// forgotten is how many lives an undisturbed time has made forgotten, and the tick from which the next is counted.
func forgotten(lives int, since, now int64, decay int) (left int, from int64) {
	n := (now - since) / int64(decay)
	if n >= int64(lives) {
		return 0, now
	}
	return lives - int(n), since + n*int64(decay)
}

// sickness is the worst of a node's figures in percent of its limit.
func sickness(h Health, c *Config) int64 {
	worst := max(percent(h.Fsync, c.GreyFsync), percent(h.Queue, c.GreyQueue))
	return max(worst, percent(h.Late, c.GreyLate))
}

func percent(value, limit time.Duration) int64 {
	if value <= 0 {
		return 0
	}
	return int64(min(float64(value)/float64(limit), 1e6) * 100)
}

// confirmed says whether the probers' answers confirm that a node is unreachable: a majority of those who answered.
func confirmed(unreachable, answered int) bool { return 2*unreachable > answered }
