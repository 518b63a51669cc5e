package hosted

// timedEvery is one in how many questions to a guest is timed: many take less than a microsecond, and the clock shall be no part of what
// plans cost.
const timedEvery = 8

// Stopwatch times questions to guests, by a clock that is handed in. The zero value times nothing. It is for figures: no plan depends
// on it.
type Stopwatch struct {
	Now  func() int64                  // nanoseconds of a clock that does not go back
	Took func(policy string, ns int64) // told of one question in eight, within the plan: it must be quick
}

// Time has questions to the set's guests timed from now on.
func (s *Set) Time(w Stopwatch) { s.ledger.watch = w }

// begin is called before a question; end, after it, takes what begin gave.
func (m *mind) begin() (at int64, timed bool) {
	if m.ledger.watch.Now == nil {
		return 0, false
	}
	m.questions++
	if m.questions%timedEvery != 1 {
		return 0, false
	}
	return m.ledger.watch.Now(), true
}

func (m *mind) end(at int64, timed bool) {
	if timed {
		m.ledger.watch.Took(m.v.Name(), m.ledger.watch.Now()-at)
	}
}
