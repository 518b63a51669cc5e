package sim

import (
	"math"
	"testing"
	"time"
)

// What a key that expires may answer, and what not.
func TestHistoryOfALentKey(t *testing.T) {
	at := int64(0)
	done := func(a Action, value string, until, least, latest int64, got reply) call {
		at += 2
		return call{action: a, key: "k", value: value, until: until, least: least, latest: latest, begun: at, ended: at + 1, got: got}
	}
	lent := func() call { return done(Lend, "a", 50, 10, 12, reply{}) }
	there, none := reply{found: true, value: "a", until: 50}, reply{}
	unknown := done(Append, "b", 0, 0, math.MaxInt64, reply{unknown: true})
	for name, c := range map[string]struct {
		calls []call
		is    bool
	}{
		"there before its deadline":     {[]call{lent(), done(Get, "", 0, 48, 49, there)}, true},
		"gone at it":                    {[]call{lent(), done(Get, "", 0, 48, 50, none)}, true},
		"there by a clock that lags":    {[]call{lent(), done(Get, "", 0, 49, 60, there)}, true},
		"gone before it":                {[]call{lent(), done(Get, "", 0, 40, 49, none)}, false},
		"there after it":                {[]call{lent(), done(Get, "", 0, 50, 60, there)}, false},
		"back again":                    {[]call{lent(), done(Get, "", 0, 40, 50, none), done(Get, "", 0, 45, 55, there)}, false},
		"claimed when it was gone":      {[]call{lent(), done(Claim, "b", 90, 49, 50, reply{done: true}), done(Get, "", 0, 60, 60, reply{found: true, value: "b", until: 90})}, true},
		"claimed before":                {[]call{lent(), done(Claim, "b", 90, 40, 49, reply{done: true})}, false},
		"prolonged and there":           {[]call{lent(), done(Extend, "", 90, 40, 49, reply{done: true, until: 50}), done(Get, "", 0, 60, 60, reply{found: true, value: "a", until: 90})}, true},
		"prolonged and gone":            {[]call{lent(), done(Extend, "", 90, 40, 49, reply{done: true, until: 50}), done(Get, "", 0, 60, 60, none)}, false},
		"kept for ever":                 {[]call{lent(), done(Persist, "", 0, 40, 49, reply{done: true, until: 50}), done(Get, "", 0, 600, 600, reply{found: true, value: "a"})}, true},
		"another deadline than was set": {[]call{lent(), done(Get, "", 0, 40, 49, reply{found: true, value: "a", until: 51})}, false},
		"changed by who got no answer":  {[]call{lent(), unknown, done(Get, "", 0, 60, 60, reply{found: true, value: "b"})}, true},
	} {
		h := history{}
		for _, each := range c.calls {
			h.note(each)
		}
		if key, _, _ := h.check(borrowed, everyKey, time.Minute); (key == "") != c.is {
			t.Errorf("%s: %v", name, c.calls)
		}
	}
}
