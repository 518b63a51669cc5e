package hosted

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/policies"
)

// Painted looks at a view, and says whether guests would see what they saw if the set had looked at no other before, and whether only rows that
// differ were written for that.
func (s *Set) Painted(v *policies.View) (same, mended bool, err error) {
	_, mended = s.board.differ(v)
	if err := s.board.look(v); err != nil {
		return false, mended, err
	}
	fresh := board{needs: s.board.needs, epoch: s.board.epoch - 1}
	if err := fresh.look(v); err != nil {
		return false, mended, err
	}
	for i := range v.State.Shards { // as if all of them had been asked about
		s.board.catchUp(i)
	}
	s.board.sumUp()
	for _, m := range s.minds {
		if m.guest == nil && m != s.minds[int(fresh.epoch)%len(s.minds)] {
			continue // one more begins
		}
		if fault := m.prepare(v, nil); fault != nil {
			return false, mended, fmt.Errorf("%+v", *fault)
		}
		part, err := fresh.image.Part(m.v.needs)
		if err != nil {
			return false, mended, err
		}
		sees := make([]byte, part.Size())
		if part.Write(sees); !bytes.Equal(m.guest.memory(m.guest.image, part.Size()), sees) {
			return false, mended, nil
		}
	}
	return bytes.Equal(s.board.image.Bytes(), fresh.image.Bytes()) && slices.Equal(s.board.copies, fresh.copies) && slices.Equal(s.board.first, fresh.first), mended, nil
}

// AtOnce has rows that change written at once, as where a user's policy is among those of the set, which has looked at nothing yet.
func (s *Set) AtOnce() { s.board.shy.on = false }

// Look has the set look at a view, as its guests do before they are asked.
func (s *Set) Look(v *policies.View) error { return s.board.look(v) }

// Give changes what each policy may use for a view.
func (s *Set) Give(fuel uint64) {
	for _, m := range s.minds {
		m.budget, m.perShard = fuel, 0
		m.spare = fuel
	}
}

// What policies may use, for tests that hold them to it.
const (
	PlanFuel  = planFuel
	UsersFuel = usersFuel
)

// Allowances are what a policy of a user's, alone, and one of the house's may use for a view of so many shards.
func Allowances(shards int) (user, house uint64) {
	u, h := purses(nil)
	return u.allowance(shards), h.allowance(shards)
}

// Emergency is what all of them may use while so many shards wait.
func Emergency(waiting int) uint64 { return emergency(waiting) }

// Spare is what each policy has left for the view.
func (s *Set) Spare() (all []uint64) {
	for _, m := range s.minds {
		all = append(all, m.spare)
	}
	return all
}

// Digests are those of the policies.
func (s *Set) Digests() (all []string) {
	for _, m := range s.minds {
		all = append(all, m.v.digest)
	}
	return all
}
