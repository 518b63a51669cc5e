package main

import (
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// problems collects what is not known of the rows of a table, to be said below it.
type problems []string

func (p *problems) note(name, problem string) {
	if problem != "" {
		*p = append(*p, keyText([]byte(name))+": "+problem)
	}
}

func (r *remote) printProblems(p problems) error {
	for _, text := range p {
		if _, err := fmt.Fprintln(r.c.err, text); err != nil {
			return err
		}
	}
	return nil
}

// printList writes a page of a list: a table, what is not known of its rows, and how it goes on behind the last.
func (r *remote) printList(head []string, rows [][]string, bad problems, part *admin.Part, last string) error {
	if err := writeTable(r.c.out, head, rows); err != nil {
		return err
	}
	if err := r.printProblems(bad); err != nil {
		return err
	}
	return r.printPart(part, last)
}

func (r *remote) printTopics(l *admin.TopicList) error {
	rows, last := [][]string{}, ""
	var bad problems
	for i := range l.Topics {
		t := &l.Topics[i]
		last = t.Topic
		bad.note(t.Topic, t.Problem)
		if t.Partitions == 0 {
			rows = append(rows, []string{nameText(t.Topic), "?", "?", "?", "?", "?", namesText(t.Groups)})
			continue
		}
		rows = append(rows, []string{
			nameText(t.Topic), fmt.Sprint(t.Partitions), fmt.Sprint(t.Messages), fmt.Sprint(t.Published), ago(t.Newest), keepText(t.KeepMessages, t.KeepMillis), namesText(t.Groups),
		})
	}
	return r.printList([]string{"TOPIC", "PARTITIONS", "MESSAGES", "PUBLISHED", "LAST", "KEEPS", "GROUPS"}, rows, bad, &l.Part, last)
}

func (r *remote) printTopic(i *admin.TopicInfo) error {
	fmt.Fprintf(r.c.out, "topic %s: %s in %s, %d ever published, keeps %s\n\n", nameText(i.Topic),
		plural(int(i.Messages), "message"), plural(i.Partitions, "partition"), i.Published, keepText(i.KeepMessages, i.KeepMillis))
	rows, subscribers := [][]string{}, [][]string{}
	var bad problems
	bad.note(i.Topic, i.Problem)
	for j := range i.Parts {
		p := &i.Parts[j]
		if p.Problem != "" {
			rows = append(rows, []string{fmt.Sprint(p.Partition), nameText(p.Shard), nameText(p.Node), "?", "?", "?", "?"})
			continue
		}
		rows = append(rows, []string{fmt.Sprint(p.Partition), nameText(p.Shard), nameText(p.Node), fmt.Sprint(p.First), fmt.Sprint(p.Next), ago(p.Oldest), ago(p.Newest)})
		for k := range p.Subscribers {
			s := &p.Subscribers[k]
			to := "polls"
			if s.To != "" {
				to = "pushed to " + keyText([]byte(s.To))
			}
			if s.Tries > 1 {
				to += fmt.Sprintf(", sent %d times without an answer", s.Tries)
			}
			subscribers = append(subscribers, []string{nameText(s.Subscriber), fmt.Sprint(p.Partition), fmt.Sprint(s.Offset), fmt.Sprint(s.Lag), to})
		}
	}
	if err := writeTable(r.c.out, []string{"PARTITION", "SHARD", "NODE", "FIRST", "NEXT", "OLDEST", "NEWEST"}, rows); err != nil {
		return err
	}
	if err := r.printSection([]string{"SUBSCRIBER", "PARTITION", "OFFSET", "LAG", "HOW"}, subscribers); err != nil {
		return err
	}
	groups := [][]string{}
	for j := range i.By {
		g := &i.By[j]
		for k := range g.Shares {
			groups = append(groups, append([]string{nameText(g.Group), fmt.Sprint(g.Shares[k].Partition)}, shareTexts(&g.Shares[k])...))
		}
	}
	if err := r.printSection([]string{"GROUP", "PARTITION", "OFFSET", "LAG", "MEMBER"}, groups); err != nil {
		return err
	}
	return r.printProblems(bad)
}

// shareTexts are how far a group has come with a partition, and who works on it.
func shareTexts(s *admin.ShareRow) []string {
	lag := fmt.Sprint(s.Lag)
	if s.Problem != "" {
		lag = "?"
	}
	who := nameText(s.Owner)
	switch {
	case s.Owner == "":
		who = "nobody"
	case s.Target == "":
		who += ", who is to give it up"
	case s.Target != s.Owner:
		who += ", to go to " + keyText([]byte(s.Target))
	}
	return []string{fmt.Sprint(s.Offset), lag, who}
}

func (r *remote) printGroups(l *admin.GroupList) error {
	rows, last := [][]string{}, ""
	var bad problems
	for i := range l.Groups {
		g := &l.Groups[i]
		last = g.Group
		bad.note(g.Group, g.Problem)
		lag := fmt.Sprint(g.Lag)
		if g.Problem != "" {
			lag = "?"
		}
		rows = append(rows, []string{nameText(g.Group), fmt.Sprint(g.Members), fmt.Sprint(g.Partitions), fmt.Sprint(g.Unowned), lag, namesText(g.Topics)})
	}
	return r.printList([]string{"GROUP", "MEMBERS", "PARTITIONS", "WITHOUT MEMBER", "LAG", "TOPICS"}, rows, bad, &l.Part, last)
}

func (r *remote) printGroup(i *admin.GroupInfo) error {
	fmt.Fprintf(r.c.out, "group %s: %s, %s, lag %d, generation %d\n", nameText(i.Group), plural(i.Members, "member"), plural(i.Partitions, "partition"), i.Lag, i.Generation)
	rows := [][]string{}
	for j := range i.By {
		m := &i.By[j]
		rows = append(rows, []string{
			nameText(m.Member), (time.Duration(m.Timeout) * time.Millisecond).String(), within(m.Until), fmt.Sprint(m.Lag), namesText(m.Topics), namesText(m.Holds),
		})
	}
	if err := r.printSection([]string{"MEMBER", "TIMEOUT", "GONE UNLESS HEARD", "LAG", "WANTS", "WORKS ON"}, rows); err != nil {
		return err
	}
	rows = [][]string{}
	for j := range i.Shares {
		s := &i.Shares[j]
		next := fmt.Sprint(s.Next)
		if s.Problem != "" {
			next = "?"
		}
		texts := shareTexts(s)
		rows = append(rows, []string{nameText(s.Topic), fmt.Sprint(s.Partition), texts[0], next, texts[1], texts[2]})
	}
	if err := r.printSection([]string{"TOPIC", "PARTITION", "OFFSET", "NEXT", "LAG", "MEMBER"}, rows); err != nil {
		return err
	}
	var bad problems
	bad.note(i.Group, i.Problem)
	return r.printProblems(bad)
}

func (r *remote) printSessions(l *admin.SessionList) error {
	rows, last := [][]string{}, ""
	var bad problems
	for i := range l.Sessions {
		s := &l.Sessions[i]
		last = s.Session
		bad.note(s.Session, s.Problem)
		if s.Problem != "" {
			rows = append(rows, []string{nameText(s.Session), "?", "?", "?"})
			continue
		}
		rows = append(rows, []string{nameText(s.Session), (time.Duration(s.TTL) * time.Millisecond).String(), within(s.Until), fmt.Sprint(s.Held)})
	}
	return r.printList([]string{"SESSION", "TTL", "OVER UNLESS RENEWED", "HOLDS OR WAITS FOR"}, rows, bad, &l.Part, last)
}

func (r *remote) printSession(i *admin.SessionInfo) error {
	fmt.Fprintf(r.c.out, "session %s: TTL %v, over %s unless it is renewed\n", nameText(i.Session), time.Duration(i.TTL)*time.Millisecond, within(i.Until))
	rows := [][]string{}
	for j := range i.Holds {
		h := &i.Holds[j]
		how := "hears when the session ends"
		switch {
		case h.Problem != "":
			how = "? " + h.Problem
		case h.Token > 0:
			how = fmt.Sprintf("holds it, token %d", h.Token)
		case h.Waits && h.Ahead > 0:
			how = fmt.Sprintf("waits, %d before it", h.Ahead)
		case h.Waits:
			how = "waits"
		case h.Keys > 0:
			how = plural(h.Keys, "key")
		}
		rows = append(rows, []string{nameText(h.Actor), how})
	}
	return r.printSection([]string{"ACTOR", "HOW"}, rows)
}
