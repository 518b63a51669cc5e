package tracing

import (
	"encoding/json"
	"slices"
)

// MarshalJSON writes the name: in JSON, as in lists, a kind is a word.
func (k Kind) MarshalJSON() ([]byte, error) { return json.Marshal(k.String()) }

// UnmarshalJSON reads what MarshalJSON wrote. The kinds of newer releases become 0.
func (k *Kind) UnmarshalJSON(text []byte) error {
	at, err := placeOf(kinds[:], text)
	*k = Kind(at)
	return err
}

// MarshalJSON writes the name.
func (o Outcome) MarshalJSON() ([]byte, error) { return json.Marshal(o.String()) }

// UnmarshalJSON reads what MarshalJSON wrote. The outcomes of newer releases become OutcomeOpen.
func (o *Outcome) UnmarshalJSON(text []byte) error {
	at, err := placeOf(outcomes[:], text)
	*o = Outcome(at)
	return err
}

// placeOf finds the place of a name in JSON; 0: it is none of them.
func placeOf(names []string, text []byte) (int, error) {
	var name string
	if err := json.Unmarshal(text, &name); err != nil {
		return 0, err
	}
	return max(0, slices.Index(names, name)), nil
}

// Answer is a record as HTTP and troupe trace --json give it: with its names, and with empty lists where a record has none.
type Answer struct {
	ID      string `json:"id"` // as in n2@7
	Trace   string `json:"trace"`
	Summary string `json:"summary"`
	*Failover
}

// NewAnswer makes the answer of a record, which shares what it can with it.
func NewAnswer(f *Failover) *Answer {
	x := *f
	x.Checks, x.Elections, x.Plans, x.Words, x.Groups, x.Clients = some(x.Checks), some(x.Elections), some(x.Plans), some(x.Words), some(x.Groups), some(x.Clients)
	x.Shards, x.Earlier = some(slices.Clone(x.Shards)), some(slices.Clone(x.Earlier))
	for i := range x.Shards {
		s := &x.Shards[i]
		s.Attempts, s.Candidates = some(s.Attempts), listed(s.Candidates)
	}
	for i := range x.Earlier {
		x.Earlier[i].Candidates = listed(x.Earlier[i].Candidates)
	}
	return &Answer{f.ID(), f.Trace().String(), f.Summary(), &x}
}

// listed are candidates with lists.
func listed(list []Candidate) []Candidate {
	list = some(slices.Clone(list))
	for i := range list {
		list[i].Words, list[i].Scores = some(list[i].Words), some(list[i].Scores)
	}
	return list
}

// some is a list that JSON writes as one, though there may be nothing in it.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// ShardAnswer is one shard of a record as troupe trace --why --json gives it: with what was said where it was said.
type ShardAnswer struct {
	Failover string `json:"failover"` // as in n2@7
	Trace    string `json:"trace"`
	Shard
	Candidates []CandidateAnswer `json:"candidates"`
	Earlier    []DecisionAnswer  `json:"earlier"` // decisions before, in order
}

// DecisionAnswer is a Decision with its words.
type DecisionAnswer struct {
	Decision
	Candidates []CandidateAnswer `json:"candidates"`
}

// CandidateAnswer is a Candidate with its words.
type CandidateAnswer struct {
	Candidate
	Words []Word `json:"words"`
}

// NewShardAnswer makes the answer of a shard; nil if it is not part of the record.
func NewShardAnswer(f *Failover, name string) *ShardAnswer {
	all := NewAnswer(f)
	s := all.Shard(name)
	if s == nil {
		return nil
	}
	a := &ShardAnswer{Failover: all.ID, Trace: all.Trace, Shard: *s, Candidates: f.worded(s.Candidates), Earlier: []DecisionAnswer{}}
	for _, d := range all.Earlier {
		if d.Shard == s.ID {
			a.Earlier = append(a.Earlier, DecisionAnswer{d, f.worded(d.Candidates)})
		}
	}
	return a
}

func (f *Failover) worded(list []Candidate) []CandidateAnswer {
	out := []CandidateAnswer{}
	for _, c := range list {
		x := CandidateAnswer{Candidate: c, Words: []Word{}}
		for _, at := range c.Words {
			if at >= 0 && at < len(f.Words) { // else the record is damaged
				x.Words = append(x.Words, f.Words[at])
			}
		}
		out = append(out, x)
	}
	return out
}
