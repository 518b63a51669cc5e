package cluster

import "strconv"

// Amendment is one change of one setting: what it was, what it became, who asked for it and when. The state keeps the newest, so
// that whoever looks at night sees what was turned during the day.
type Amendment struct {
	Version  uint64 // State.Version that it made; those of one step share it
	At       int64  // Unix milliseconds, by the clock of the node that was asked
	By       string // who asked, in the words of whoever passed it on; it proves nothing
	Name     string // the setting; AmendmentReadOnly for the cluster's maintenance
	From, To string // empty: the default
}

// AmendmentReadOnly is the name under which an Amendment tells of the cluster's maintenance.
const AmendmentReadOnly = "cluster.read_only"

// Bounds of the history of settings. The oldest go first.
const (
	MaxAmendments     = 256
	maxAmendmentBytes = 256 << 10 // of names, values and who
)

func (a *Amendment) size() int { return len(a.By) + len(a.Name) + len(a.From) + len(a.To) }

// chronicle notes what a command has changed in the settings that were. A cluster with a member that cannot read it keeps no history.
func (d *draft) chronicle(c *SettingsChange) error {
	if len(c.By) > MaxText {
		return refuse(WhyInvalid, "who asks for a setting is told in %d bytes; at most %d", len(c.By), MaxText)
	}
	if d.allRead(FormatHistory) != nil {
		return nil
	}
	list := d.Amendments[:len(d.Amendments):len(d.Amendments)]
	note := func(name, from, to string) {
		list = append(list, Amendment{Version: d.Version, At: c.At, By: c.By, Name: name, From: from, To: to})
	}
	if d.ReadOnly != d.old.ReadOnly {
		note(AmendmentReadOnly, strconv.FormatBool(d.old.ReadOnly), strconv.FormatBool(d.ReadOnly))
	}
	was, is := d.old.Settings, d.Settings
	for len(was)+len(is) > 0 { // both are sorted by name
		switch {
		case len(is) == 0 || len(was) > 0 && was[0].Name < is[0].Name:
			note(was[0].Name, was[0].Value, "")
			was = was[1:]
		case len(was) == 0 || is[0].Name < was[0].Name:
			note(is[0].Name, "", is[0].Value)
			is = is[1:]
		default:
			if was[0].Value != is[0].Value {
				note(is[0].Name, was[0].Value, is[0].Value)
			}
			was, is = was[1:], is[1:]
		}
	}
	total := 0
	for i := range list {
		total += list[i].size()
	}
	for len(list) > MaxAmendments || total > maxAmendmentBytes {
		total -= list[0].size()
		list = list[1:]
	}
	d.Amendments = list
	return nil
}

// checkAmendments is invariant 16.
func (s *State) checkAmendments() error {
	total := 0
	for i := range s.Amendments {
		a := &s.Amendments[i]
		total += a.size()
		if a.Version > s.Version || i > 0 && a.Version < s.Amendments[i-1].Version || a.Name == "" || a.From == a.To {
			return refuse(WhyInvalid, "invariant 16: the change of setting %q at %d is none, out of order or from the future", a.Name, a.Version)
		}
	}
	if len(s.Amendments) > MaxAmendments || total > maxAmendmentBytes {
		return refuse(WhyInvalid, "invariant 16: %d changes of settings with %d bytes", len(s.Amendments), total)
	}
	return nil
}
