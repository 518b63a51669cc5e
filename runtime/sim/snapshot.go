package sim

import (
	"bytes"
	"errors"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/recovery"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/store"
)

// sending is a snapshot on its way to a copy, with the chunks that are left.
type sending struct {
	source *recovery.Source
	view   *store.Snapshot
	chunks [][]byte
}

// chunkBytes is small, so that a stream has many chunks to lose.
const chunkBytes = 512

// snapshot begins to send a copy what is applied here.
func (h *holding) snapshot(to shards.CopyID) {
	if h.row.Copy(to) == nil {
		h.core.SnapshotEnded(to, false)
		return
	}
	view := h.store.Snapshot()
	base := replica.Position{Term: h.core.TermAt(view.Seq()), Seq: view.Seq()}
	if h.c.p.n.bug(BugSnapshotRace) {
		base = h.core.End()
	}
	h.stream++
	source, err := recovery.NewSource(recovery.Config{Shard: h.shard}, h.core.Term(), h.copy, to, h.stream, base)
	if err != nil {
		h.c.p.n.w.Fail(0, "shard %v: %v", h.shard, err)
		return
	}
	h.core.Retain(to, base.Seq)
	h.sends = append(h.sends, &sending{source: source, view: view})
}

// driveStreams carries out what both ends of snapshot streams want. It says whether there was anything.
func (h *holding) driveStreams() (any bool) {
	for _, s := range append([]*sending(nil), h.sends...) {
		any = h.driveSource(s) || any
	}
	for h.target != nil && !h.failed {
		ready := h.target.Ready()
		if len(ready.Messages) == 0 && !ready.Begin && ready.Load == nil && !ready.Install && !ready.Forget {
			return any
		}
		any = true
		for i := range ready.Messages {
			h.sendStream(&ready.Messages[i])
		}
		if ready.Forget {
			h.loader = nil
		}
		if ready.Begin {
			h.loader = store.NewLoader(store.Options{})
		}
		if ready.Load != nil {
			err := h.loader.Chunk(ready.Load)
			h.target.Loaded(h.loader.After(), ready.Last, err)
		}
		if ready.Install {
			h.target.Installed(h.install(ready.Base))
		}
	}
	return any
}

func (h *holding) driveSource(s *sending) bool {
	ready := s.source.Ready()
	for i := range ready.Messages {
		h.sendStream(&ready.Messages[i])
	}
	if ready.Open {
		s.chunks = nil
		for chunk := range s.view.Chunks(ready.After, chunkBytes) {
			s.chunks = append(s.chunks, bytes.Clone(chunk))
		}
	}
	for range ready.Read {
		if len(s.chunks) > 0 {
			chunk := s.chunks[0]
			s.chunks = s.chunks[1:]
			s.source.Chunk(chunk, len(s.chunks) == 0)
		}
	}
	if ready.Done || ready.Failed != "" {
		h.endSending(s, ready.Done)
	}
	return len(ready.Messages) > 0 || ready.Open || ready.Read > 0 || ready.Done || ready.Failed != ""
}

func (h *holding) endSending(s *sending, there bool) {
	for i, other := range h.sends {
		if other == s {
			h.sends = append(h.sends[:i:i], h.sends[i+1:]...)
			s.view.Close()
			h.core.SnapshotEnded(s.source.To(), there)
			return
		}
	}
}

// stopSending ends all streams: the reign is over, or the copy is.
func (h *holding) stopSending(reason string) {
	for _, s := range append([]*sending(nil), h.sends...) {
		s.source.Stop(reason)
		h.driveSource(s)
	}
}

func (h *holding) sendStream(m *recovery.Message) {
	if to := h.nodeOf(m.To); to != nil {
		h.c.p.send(to, classBulk, "recovery", recovery.Append(nil, m))
	}
}

// stepStream takes a message of the other end of a stream.
func (h *holding) stepStream(m *recovery.Message) {
	if m.Kind == recovery.KindOffer {
		h.welcome(h.core.Welcome(m.Base.Seq))
	}
	h.target.Step(m)
	for _, s := range append([]*sending(nil), h.sends...) {
		s.source.Step(m)
	}
	h.drive()
}

// welcome tells the target whether a snapshot may come.
func (h *holding) welcome(yes bool) {
	wants := yes && h.core.Role() == replica.RoleReplica
	h.target.Configure(h.copy, h.core.Term(), wants)
}

// install puts a snapshot that has come whole in the place of store and log.
func (h *holding) install(base replica.Position) error {
	loader := h.loader
	h.loader = nil
	loaded, err := loader.Finish()
	if err != nil {
		return err
	}
	if !h.c.p.n.bug(BugSnapshotRace) && loaded.Applied() != base.Seq {
		return errors.New("the snapshot is of another place than was offered")
	}
	if !h.core.Welcome(base.Seq) {
		return errors.New("this copy has gone further meanwhile")
	}
	h.store = loaded
	h.c.log.cancel(h.shard)
	if !h.memory {
		h.c.wipe(h.shard)
		h.saveFile(base)
	}
	h.saved = base.Seq
	h.c.p.n.w.applied(h.c.p.n, h.shard, base.Seq, loaded.Rolling())
	h.alone.stored = h.alone.wrote
	h.core.Restored(base, loaded.Rolling(), h.core.Term())
	return nil
}

// save keeps what is applied in a file, and shortens the log.
func (h *holding) save() {
	seq := h.store.Applied()
	if h.memory || h.failed || h.alone.loose > 0 || seq < h.saved+saveEvery {
		return
	}
	if err := h.c.p.n.disk.Sync(); err != nil {
		h.c.p.n.w.Fail(0, "%s: %v", h.c.p.n.ID, err)
		return
	}
	h.saveFile(replica.Position{Term: h.termAt(seq), Seq: seq})
	h.saved = seq
	d := h.c.p.n.disk
	through := seq
	if !h.alone.solo {
		through = min(seq, h.core.Retained())
	}
	if err := errors.Join(d.TruncatePrefix(h.shard, through), d.RemoveBefore(h.shard, seq)); err != nil {
		h.c.p.n.w.Fail(0, "%s: %v", h.c.p.n.ID, err)
	}
}

// termAt is the term of what is applied; the core has not been told of what this copy has written alone.
func (h *holding) termAt(seq shards.SeqNo) shards.Term {
	if seq <= h.core.End().Seq {
		return h.core.TermAt(seq)
	}
	return h.core.Term()
}

// saveEvery is how many transactions lie between two snapshot files.
const saveEvery = 100

// saveFile writes what is applied, and notes the term of its last transaction beside it.
func (h *holding) saveFile(at replica.Position) {
	view := h.store.Snapshot()
	defer view.Close()
	_, err := h.c.p.n.disk.Save(h.shard, at.Seq, view.Chunks(nil, 1<<10))
	if err = errors.Join(err, h.c.setBase(h.shard, at)); err != nil {
		h.c.p.n.w.Fail(0, "%s: save shard %v: %v", h.c.p.n.ID, h.shard, err)
	}
}

// handOver moves the primary to another copy where the row asks for it. From the first proposal on, this copy answers no
// read until it knows what came of it: a successor may reign already, and the lease is this node's still.
func (h *holding) handOver() {
	if h.reign == 0 || h.failed {
		return
	}
	to, inSync := h.row.HandTo, false
	for _, c := range h.row.Copies {
		if to == 0 && c.Source == h.copy {
			to = c.ID
		}
		inSync = inSync || c.ID == to && c.InSync
	}
	if h.hand != nil && h.hand.To() != to {
		h.hand = nil
		h.core.Resume()
	}
	if to == 0 {
		return
	}
	if h.hand == nil {
		hand, err := recovery.NewHandOver(recovery.Config{Shard: h.shard}, to)
		if err != nil {
			h.c.p.n.w.Fail(0, "shard %v: %v", h.shard, err)
			return
		}
		h.hand = hand
	}
	h.hand.Tick()
	h.hand.Step(inSync && (h.hand.Paused() || h.open == 0), h.core.AllThere(to))
	ready := h.hand.Ready()
	if ready.Pause {
		h.core.Pause()
		h.hand.Step(inSync, h.core.AllThere(to))
		late := h.hand.Ready()
		ready.Propose = ready.Propose || late.Propose
	}
	if ready.Resume != "" {
		h.core.Resume()
	}
	if ready.Propose {
		h.proposeHandOver(to)
	}
}

func (h *holding) proposeHandOver(to shards.CopyID) {
	h.open++
	hand, core, reign := h.hand, h.core, h.reign
	command := &cluster.HandOver{Shard: h.shard, Term: reign, From: h.copy, To: to}
	h.c.propose(&cluster.Command{HandOver: command}, func(o *cluster.Outcome) {
		if h.core != core || h.failed || h.reign != reign {
			return
		}
		h.open--
		if o.Err != nil && h.hand == hand {
			hand.Refused(o.Err.Error())
			h.core.Resume()
			h.drive()
		}
	})
}
