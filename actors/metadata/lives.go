package metadata

import (
	"encoding/binary"
	"fmt"

	"github.com/troupe-actors/troupe/shards"
)

// What a data folder knows of its node's lives:
//
//	node record raft/lives  │ 1 │ announced u64 │ begun u64 │     little-endian
//
//	epoch     4           5          6          7
//	          announced   begun      begun      begins
//	          └ the last that was asked to be taken in; 5 and 6 reached nobody
//
// The cluster can know of no later life than the one that was announced last: if it does, the folder is an old one, however often it has been started
// since. It is not known which was announced where an epoch has passed that this record does not know of: a release before it has run here.
const livesRecord = "raft/lives"

// lives is that record. The zero value knows nothing.
type lives struct{ announced, begun shards.Epoch }

func (l *NodeLog) openLives() error {
	stored, err := l.get(livesRecord)
	if err != nil || stored == nil {
		return err
	}
	if len(stored) != 16 {
		return fmt.Errorf("%q has %d bytes", livesRecord, len(stored))
	}
	l.lives = lives{shards.Epoch(binary.LittleEndian.Uint64(stored)), shards.Epoch(binary.LittleEndian.Uint64(stored[8:]))}
	return nil
}

// begin notes, durably, that a life has begun.
func (l *NodeLog) begin(epoch shards.Epoch) error {
	next := lives{l.lives.announced, epoch}
	if epoch > l.lives.begun+1 {
		next.announced = 0
	}
	return l.setLives(next)
}

// announce notes, durably, that the cluster is about to be asked to take a life in, which has begun.
func (l *NodeLog) announce(epoch shards.Epoch) error { return l.setLives(lives{epoch, epoch}) }

// missed says whether the cluster knows of a life of this node that was announced from another folder than this one.
func (l *NodeLog) missed(known shards.Epoch) bool {
	return l.lives.announced != 0 && known > l.lives.announced
}

func (l *NodeLog) setLives(next lives) error {
	if next == l.lives {
		return nil
	}
	value := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64([]byte{recordFormat}, uint64(next.announced)), uint64(next.begun))
	if err := l.log.Set(livesRecord, value); err != nil {
		return fmt.Errorf("metadata: note a life of the node: %w", err)
	}
	l.lives = next
	return nil
}
