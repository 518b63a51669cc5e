// Package metadata is the Raft group that orders commands on the cluster state. Core drives go.etcd.io/raft without a
// goroutine, a clock or a file of its own, so that the simulator can run it; Group is the shell that gives it all three.
//
//	Propose(command) ──► leader's Core ──► Raft log, on a quorum's disks ──► State.Apply, on every member, in one order
//	                                                                              │
//	            proposer learns the Outcome of its command, by its id ◄───────────┤
//	            watchers look at the new State                        ◄───────────┘
//
//	        ┌────────────────────────── Group: one goroutine ──────────────────────────┐
//	inbox ─►│ Step(message)                                  Begin() ─► early messages │─► transport
//	tick  ─►│ Tick()                    Core                 log written, then applied │
//	calls ─►│ Propose, ReadIndex                             Finish() ─► the others    │─► transport, waiters, watchers
//	        └──────────────────────────────────────────────────────────────────────────┘
//
// Some members vote, all others follow the log as learners, so that every member has the whole state. Which vote is a
// command like any other (cluster.VotersChange); the leader then moves Raft's own configuration there by joint consensus.
//
// A leader's word counts only once an entry of its own term is applied (Lead.Won); until then it neither detects nor places.
package metadata
