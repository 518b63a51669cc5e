package record

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/shards/wire"
)

// Digest is the hash of everything in a plan, in hexadecimal: equal digests are equal plans, down to the last sentence.
func Digest(p *allocator.Plan) string {
	e := wire.NewEncoder(nil)
	c := codec{e: &e, format: Format}
	c.plan(p)
	sum := sha256.Sum256(e.Buffer())
	return hex.EncodeToString(sum[:])
}

// Replay plans once more from what was recorded, by the rules of set.
func (r *Record) Replay(set *policies.Set) *allocator.Plan {
	in := r.Input
	in.Policies = set
	return allocator.Make(in)
}

// Same says whether a plan is the recorded one, and else what differs first.
func (r *Record) Same(p *allocator.Plan) (bool, string) {
	if Digest(r.Plan) == Digest(p) {
		return true, ""
	}
	return false, firstDifference(r.Plan, p)
}
