package hosted

import (
	"fmt"
	"unicode/utf8"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// usualText and maxText are the room for an explanation: the first is what a sentence needs, the second what is listened to.
const (
	usualText = 512
	maxText   = 4096
)

// Reason is the sentence behind an answer: the guest's, or its manifest's if it explains nothing, or cannot, or has explained so much.
func (d *Decider) Reason(v *policies.View, q *policies.Question, node int, a policies.Answer) string {
	if a.Code() == faultCode {
		return d.failing()
	}
	rests := d.rests(v)
	if d.v.twin != nil && (rests || urgent(q)) {
		return d.v.twin.Reason(v, q, node, a)
	}
	// Where a shard waits for its primary a guest is not asked for words: what it may use there is for choosing.
	if d.v.explains && d.talks() && !rests && !urgent(q) && a.Verdict() != policies.Yes {
		var text string
		fault := d.prepare(v, q)
		if fault == nil {
			text, fault = d.guest.why(abi.Capability(q.Capability), d.asked(q), node, a)
		}
		if fault == nil {
			d.fuel = d.guest.spent
			return text
		}
		d.failed(fault)
		if d.v.twin != nil {
			return d.v.twin.Reason(v, q, node, a)
		}
	}
	text, _ := d.v.Manifest.Reason(a.Code(), v.Nodes[node].Name, v.State.ShardName(q.Shard.ID), q.Keyspace.Name)
	return text
}

// failing is the sentence of a NO that no rule has spoken.
func (d *Decider) failing() string {
	if d.over && !d.out() {
		text := fmt.Sprintf("policy %s is a hard rule, and has used what it may use in one plan: what it was not asked about any more waits for the next", d.v.Name())
		if d.last != nil {
			text += ": " + d.last.Text
		}
		return text
	}
	text := "it could not be asked"
	if d.last != nil {
		text = d.last.Text
	}
	return fmt.Sprintf("policy %s failed %d times and is a hard rule, so that nothing moves against it; after %d it is not asked any more: %s",
		d.v.Name(), d.strikes, Strikes, text)
}

// why asks the guest for a sentence, a second time if it is a long one.
func (g *guest) why(c abi.Capability, q asked, node int, a policies.Answer) (string, *Fault) {
	size := usualText
	for range 2 {
		if fault := g.room(&g.text, size); fault != nil {
			return "", fault
		}
		n, fault := g.call(abi.ExportExplain, explainFuel, uint64(c), uint64(q.shard), uint64(uint32(q.copy)), uint64(q.flags), uint64(node), uint64(a), uint64(g.text.at), uint64(g.text.size))
		if fault != nil {
			return "", fault
		}
		if n <= g.text.size {
			text := string(g.memory(g.text, int(n)))
			if !utf8.ValidString(text) {
				return "", g.v.faulty(abi.ExportExplain, BadText, "its sentence is not UTF-8: %.40q", text)
			}
			return text, nil
		}
		if size = int(n); n > maxText {
			break
		}
		size = maxText // and no other length, for each of which pol_alloc would be asked again
	}
	return "", g.v.faulty(abi.ExportExplain, BadText, "its sentence has %d bytes; at most %d are read", size, maxText)
}
