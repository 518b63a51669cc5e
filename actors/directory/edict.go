package directory

import (
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// ErrReadOnly refuses writes while the cluster is in maintenance. Its kind is shards.KindUnavailable; it is not tried again.
var ErrReadOnly error = readOnly{}

type readOnly struct{}

func (readOnly) Error() string {
	return "the cluster is in maintenance and takes no writes until an operator ends it"
}

// ReadOnly tells who answers clients, and does not know this package, that trying again is of no use.
func (readOnly) ReadOnly() bool { return true }

// edict is what one table forbids, worked out once for all work that meets that table: writes of the whole cluster, and
// keyspaces that serve nothing while they are not complete (cluster.SettingCoverage).
type edict struct {
	state    *cluster.State
	readOnly bool
	closed   map[shards.KeyspaceID]error // why a keyspace serves nothing
}

// edict is what the newest table forbids, or nil for nothing.
func (d *Directory) edict() *edict {
	state := d.config.State()
	e := d.newest.Load()
	if e == nil || e.state != state {
		e = &edict{state: state, readOnly: state.ReadOnly}
		for i := range state.Keyspaces {
			k := &state.Keyspaces[i]
			err := state.Serves(k.ID)
			if err == nil {
				continue
			}
			if e.closed == nil {
				e.closed = map[shards.KeyspaceID]error{}
			}
			e.closed[k.ID] = &shards.Error{Kind: shards.KindUnavailable, Err: err}
		}
		d.newest.Store(e)
	}
	if !e.readOnly && e.closed == nil {
		return nil
	}
	return e
}

// reads is why a shard may not be read now, or nil.
func (e *edict) reads(id shards.ShardID) error {
	if e == nil {
		return nil
	}
	return e.closed[id.Keyspace()]
}

// work is why an attempt may not be made now, or nil.
func (e *edict) work(a *attempt) error {
	if e == nil {
		return nil
	}
	if err := e.closed[a.task.Shard.Keyspace()]; err != nil {
		return err
	}
	if e.readOnly && !reads(a) {
		return &shards.Error{Kind: shards.KindUnavailable, Shard: e.state.ShardName(a.task.Shard), Err: ErrReadOnly}
	}
	return nil
}
