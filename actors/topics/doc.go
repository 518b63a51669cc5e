// Package topics gives logs that many write and many read, each at its own pace: topics with partitions, subscriptions, and consumer
// groups that share the work out among their members. They are virtual actors, and nothing beside: what they keep lies in shards, with
// copies, and outlives its node.
//
//	Publish(orders, key "bob") ──► partition orders/1      0 1 2 3 4 5 6 7 8      offsets, without gaps
//	      hash of the key                                  │     │         │
//	                                    First: older ones ─┘     │         └─ Next
//	                                    are gone (retention)     │
//	              Poll(offset) ◄─────────────────────────────────┤
//	              Commit(subscriber, offset): where it goes on   │
//	              Subscribe(actor): pushed, acknowledged, ◄──────┘
//	                                sent again if not
//
//	topic orders ── its settings ──► partitions
//	      └──────── how many there are ──► group billing ── heartbeat replies ──► members
//	                                       member a: orders/0, orders/1 at generation 3
//	                                       member b: orders/2           at generation 4
//
// A partition is one actor, so what is published to it has one order. A group hands a partition to another member only when the one
// that had it has given it up, or has not been heard for its session timeout. Each time that a partition is given to a member it
// gets the group's generation: a commit that carries another one is refused with ErrFenced, however late it comes.
//
// # How it is used
//
//	for _, k := range topics.Kinds() {          // on each node, after runtime.Start
//		err = node.Register(ctx, k)
//	}
//	client := topics.NewClient(node.Actors())
//	_, err = client.Create(ctx, "orders", topics.Config{Partitions: 3, KeepFor: 7 * 24 * time.Hour})
//	at, err := client.Publish(ctx, "orders", topics.Record{Key: "bob", Value: order}, topics.Once{Producer: "shop-1", Seq: n})
//
//	member := client.Join("billing", 0, "orders") // in each process that shares the work
//	for {
//		r, err := member.Poll(ctx, 100, 10*time.Second)
//		…                                          // work on r.Messages; if that fails: member.Again(r)
//		err = member.Commit(ctx, r)                // ErrFenced: another member does it
//	}
//
// # What is guaranteed
//
//	published           a Publish that returned without error is on every in-sync copy of the shard, as durable as the keyspace asks
//	order               per partition: by offset. Messages of one key are in one partition while the number of partitions stays the same
//	offsets             without gaps; retention removes from the front only, whole messages
//	Publish again       after an error, with the same Producer and Seq: kept once, within a day. If there are more partitions than before, only by the same
//	                    Client, or with PublishTo (see Once). Without: perhaps twice
//	delivery            at least once: what was read and not committed comes again after a crash, when the partition changes hands, and
//	                    when its member asks for it (Consumer.Again)
//	members             no two members of a group work on a partition by the group's knowledge. One that was thought dead may still
//	                    work, for at most its session timeout if its clock runs like others; its commits are refused at once
//	pushed (Subscribe)  in order, a batch at a time, again until acknowledged; Delivery.Offset tells a subscriber what it has seen
//	deleted             a topic (Client.Delete) and a group without members (Client.DeleteGroup) go with all that they kept; ErrNoTopic is what
//	                    everybody gets who goes on with a topic, a last Delivery that has Ended who is pushed to. One of that name has nothing of it
//	not                 transactions over partitions, exactly-once effects outside, deletion by key (compaction)
package topics
