// Package member is the shell of liveness: on every node it keeps the lease that lets the node serve reads, and on the
// placement leader it finds out who is alive.
//
//	every node                                       the placement leader
//	ticker ─► heartbeat (m, figures) ──Control──►  Detector.Heard ─► reply (m, age, lease, term)
//	Lease  ◄─ Holder.Granted         ◄──Control──        │
//	  ▲                                                  ├─► redial: transport.Probe of the suspect's address
//	  └── Valid(), by every read                         ├─► Call KindProbe ──► another node ──► transport.Probe
//	                                                     ├─► Group.TransferTo, if a voter reaches more members
//	                                                     └─► Evidence, Wake, Config.Changed ──► actors/placement
//
// Every node but the leader doubts the leader alone: when the connection to it breaks it redials, and tells the metadata
// group of a proof of death, so that an election need not wait for its timeout.
//
// A member that has had no answer for longer than a lease says so before each heartbeat, in a message of KindUnanswered.
//
// A Member has one goroutine, which owns detector, holder and ticker; redials and probes have one each while they last.
package member
