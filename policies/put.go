package policies

// Put puts a question to one decider, as a Set does: one that has no word on it leaves the row as it is.
func Put(d Decider, v *View, q *Question, r Row) { ask(d, v, q, r) }

// Has says whether a decider has a word on a kind of question.
func Has(d Decider, c Capability) bool { return has(d, c) }
