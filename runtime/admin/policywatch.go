package admin

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// PolicyQuestion asks the placement leader what is new about policies: comparisons, or the lines of one policy.
type PolicyQuestion struct {
	Lines string // the policy; empty: comparisons
	Wait  bool   // if there is nothing new, wait a while
	After PolicyPlace
}

// PolicyPlace is where an answer ended. Numbers count in the reign of one leader; in another's, all is new.
type PolicyPlace struct {
	Node   shards.NodeID
	Term   uint64
	Number uint64
}

// PolicyNews is the answer, oldest first.
type PolicyNews struct {
	Comparisons []Comparison
	Lines       []PolicyLine
	Next        PolicyPlace
}

// PolicyLine is what a policy logged where it decides, or how it failed.
type PolicyLine struct {
	At     int64  `json:"at"`    // Unix milliseconds
	Level  string `json:"level"` // debug, info, warn, error or fault
	Text   string `json:"text"`
	Shadow bool   `json:"shadow,omitempty"`
}

// Comparison is what a plan would have been with the policies in the shadow.
type Comparison struct {
	Number   uint64           `json:"number"`
	At       int64            `json:"at"` // Unix milliseconds
	Term     uint64           `json:"term"`
	Version  uint64           `json:"version"` // of the cluster state that was planned on
	Policies []ShadowedPolicy `json:"policies"`
	Asked    int              `json:"asked"`  // shards that both were asked about
	Shards   int              `json:"shards"` // that there are
	Flips    []PolicyFlip     `json:"flips"`
	Added    []string         `json:"added"` // moves that only the shadow's plan has
	Gone     []string         `json:"gone"`  // moves that only the real plan has
	Unlisted int              `json:"unlisted,omitempty"`
	Active   PlanSketch       `json:"active"`
	Shadow   PlanSketch       `json:"shadow"`
	Faults   []string         `json:"faults,omitempty"`
}

// ShadowedPolicy is a policy in the shadow.
type ShadowedPolicy struct {
	Name     string            `json:"name"`
	Version  uint32            `json:"version"`
	Digest   string            `json:"digest"`
	Settings map[string]string `json:"settings,omitempty"`
	Absent   string            `json:"absent,omitempty"` // why it was not asked
}

// PolicyFlip counts verdicts of one kind that would become others.
type PolicyFlip struct {
	Question string `json:"question"`
	From     string `json:"from"`
	To       string `json:"to"`
	Count    int    `json:"count"`
	Example  string `json:"example"`
}

// PlanSketch is a plan in figures, and the cluster as it would be after it.
type PlanSketch struct {
	Moves     int     `json:"moves"`
	Waiting   int     `json:"waiting"`
	Bytes     float64 `json:"bytes"`
	Copies    float64 `json:"copies"`    // most over mean
	Primaries float64 `json:"primaries"` // most over mean
	Micros    int64   `json:"micros"`
}

// TotalFlips counts verdicts that would be others.
func (k *Comparison) TotalFlips() (n int) {
	for _, f := range k.Flips {
		n += f.Count
	}
	return n
}

// TotalMoves counts moves that only one of the two plans has.
func (k *Comparison) TotalMoves() int { return len(k.Added) + len(k.Gone) + k.Unlisted }

// policyComparisons gives the comparisons that a policy was in, and with follow each new one.
func (s *Server) policyComparisons(x *exchange, q *query) error {
	follow := q.flag("follow")
	if q.err != nil {
		return q.err
	}
	c, _, p, err := s.namedPolicy(x)
	if err != nil {
		return err
	}
	return s.tell(x, c, PolicyQuestion{}, follow, func(n *PolicyNews) (lines []any) {
		for i := range n.Comparisons {
			if slices.ContainsFunc(n.Comparisons[i].Policies, func(s ShadowedPolicy) bool { return s.Name == p.Name }) {
				lines = append(lines, n.Comparisons[i])
			}
		}
		return lines
	})
}

// policyLogs gives what a policy logged, and with follow each new line. One of the house logs under its name.
func (s *Server) policyLogs(x *exchange, q *query) error {
	follow := q.flag("follow")
	if q.err != nil {
		return q.err
	}
	c, _, err := s.agreed()
	if err != nil {
		return err
	}
	name := x.r.PathValue("policy")
	if !ofTheHouse(name) {
		if _, _, _, err := s.namedPolicy(x); err != nil {
			return err
		}
	}
	return s.tell(x, c, PolicyQuestion{Lines: name}, follow, func(n *PolicyNews) (lines []any) {
		for i := range n.Lines {
			lines = append(lines, n.Lines[i])
		}
		return lines
	})
}

// tellPause is the least time between two questions to the leader, and the pause while nobody leads.
const tellPause = 200 * time.Millisecond

// tell writes what is there, as lines, and with follow goes on until the client leaves, from one leader to the next.
func (s *Server) tell(x *exchange, c Cluster, q PolicyQuestion, follow bool, lines func(*PolicyNews) []any) error {
	news, err := c.PolicyNews(x.r.Context(), q)
	if err != nil {
		return err
	}
	x.begin()
	if x.r.Method == "HEAD" {
		return nil
	}
	spoken := time.Now()
	for {
		for _, line := range lines(&news) {
			if err := x.line(line); err != nil {
				return err
			}
			spoken = time.Now()
		}
		if !follow {
			return x.line(map[string]bool{"end": true})
		}
		if time.Since(spoken) >= s.config.Keepalive {
			if err := x.line(struct{}{}); err != nil {
				return err
			}
			spoken = time.Now()
		}
		if news.Next.Number > 0 || news.Next.Node != "" {
			q.After = news.Next
		}
		q.Wait = true
		if going, err := s.pausing(x); !going {
			return err
		}
		if news, err = c.PolicyNews(x.r.Context(), q); err != nil {
			news = PolicyNews{} // nobody leads, or the leader is on its way out: it is asked again
		}
	}
}

// pausing waits a little, and says whether to go on.
func (s *Server) pausing(x *exchange) (going bool, err error) {
	pause := time.NewTimer(tellPause)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true, nil
	case <-x.r.Context().Done():
		return false, nil
	case <-x.stopping:
		_, err := x.Write(errorLine(&shards.Error{Kind: shards.KindUnavailable, Err: errStopping}))
		return false, errors.Join(err, context.Cause(x.r.Context()))
	}
}
