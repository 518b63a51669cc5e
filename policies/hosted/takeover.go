package hosted

import (
	"maps"

	"github.com/troupe-actors/troupe/wasm"
)

// voice is where a guest's lines go. It outlives the set that the guest was started for.
type voice struct {
	policy string
	to     *ledger
}

func (v *voice) log(level wasm.Level, text string) { v.to.line(v.policy, int32(level), text) }

// TakeOver gives a new set the guests of an old one for the policies that are in both with the same settings: when one policy
// is exchanged, the others need not be started again, and the next plan does not wait for that. The old set is used no more;
// its owner closes it, with what is left in it.
func (s *Set) TakeOver(old *Set) {
	b := &old.board // its room is used again
	s.board.builder, s.board.image, s.board.seats, s.board.homes = b.builder, b.image, b.seats, b.homes
	old.board = board{needs: b.needs}
	for _, m := range s.minds {
		for _, o := range old.minds {
			if o.v != m.v || !maps.Equal(o.config.own, m.config.own) {
				continue
			}
			m.over, m.overruns = o.over, o.overruns // plans in a row, whichever sets they are made with
			if o.guest == nil {
				continue
			}
			m.guest, o.guest = o.guest, nil
			m.guest.purse = m.purse
			m.config = o.config
			m.burnt, o.burnt = m.burnt+o.burnt, 0
			m.guest.epoch, m.guest.layout = 0, 0 // boards count from 1: it has not seen this one's image
			m.guest.voice.to = m.ledger
			break
		}
	}
}
