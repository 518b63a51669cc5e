package metadata

import (
	"errors"
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// storage is the Log as Raft wants to read it.
type storage struct {
	log  Log
	core *Core
}

func (s *storage) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	hard, _ := s.log.Stored()
	return hard, s.core.conf, nil
}

func (s *storage) Entries(low, high, bytes uint64) ([]*raftpb.Entry, error) {
	entries, err := s.log.Entries(low, high, bytes)
	return entries, raftError(err)
}

func (s *storage) Term(index uint64) (uint64, error) {
	term, err := s.log.Term(index)
	return term, raftError(err)
}

func (s *storage) FirstIndex() (uint64, error) { return s.log.First(), nil }
func (s *storage) LastIndex() (uint64, error)  { return s.log.Last(), nil }

// Snapshot is what this node has applied, taken now: its ConfState names every member, the one that needs it among them. A
// kept snapshot may be older than that member, which would refuse it. In the middle of a step ConfState may be about to change.
func (s *storage) Snapshot() (*raftpb.Snapshot, error) {
	if s.core.ready != nil {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return s.core.snapshot(), nil
}

// raftError gives Raft's name to an error of the Log that Raft knows what to do about.
func raftError(err error) error {
	switch {
	case errors.Is(err, ErrCompacted):
		return raft.ErrCompacted
	case errors.Is(err, ErrUnavailable):
		return raft.ErrUnavailable
	}
	return err
}

// logger gives Raft's messages to whoever listens. A broken invariant of Raft's ends the process, as ours do: it means that
// a disk or a program has lied.
type logger struct {
	logf func(format string, args ...any)
}

func (l logger) Debug(v ...any)              {}
func (l logger) Debugf(f string, v ...any)   {}
func (l logger) Info(v ...any)               { l.logf("%s", fmt.Sprint(v...)) }
func (l logger) Infof(f string, v ...any)    { l.logf(f, v...) }
func (l logger) Warning(v ...any)            { l.logf("%s", fmt.Sprint(v...)) }
func (l logger) Warningf(f string, v ...any) { l.logf(f, v...) }
func (l logger) Error(v ...any)              { l.logf("%s", fmt.Sprint(v...)) }
func (l logger) Errorf(f string, v ...any)   { l.logf(f, v...) }
func (l logger) Fatal(v ...any)              { panic("metadata: raft: " + fmt.Sprint(v...)) }
func (l logger) Fatalf(f string, v ...any)   { panic("metadata: raft: " + fmt.Sprintf(f, v...)) }
func (l logger) Panic(v ...any)              { panic("metadata: raft: " + fmt.Sprint(v...)) }
func (l logger) Panicf(f string, v ...any)   { panic("metadata: raft: " + fmt.Sprintf(f, v...)) }
