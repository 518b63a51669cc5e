package cluster

import "time"

// Names of the dynamic settings that placement reads. They are Elasticsearch's where the thing is the same. A name that ends
// with a dot is completed by whoever sets it.
const (
	SettingAllocationEnable     = "cluster.routing.allocation.enable"
	SettingAllowRebalance       = "cluster.routing.allocation.allow_rebalance"
	SettingAwareness            = "cluster.routing.allocation.awareness.attributes"
	SettingAwarenessForce       = "cluster.routing.allocation.awareness.force."
	SettingAwarenessForceEnd    = ".values" // follows the attribute
	SettingBudgetBytes          = "cluster.routing.rebalance.budget.bytes"
	SettingBudgetCopies         = "cluster.routing.rebalance.budget.copies"
	SettingBudgetWindow         = "cluster.routing.rebalance.budget.window"
	SettingCooldown             = "cluster.routing.rebalance.cooldown"
	SettingConcurrentIncoming   = "cluster.routing.allocation.node_concurrent_incoming_recoveries"
	SettingConcurrentOutgoing   = "cluster.routing.allocation.node_concurrent_outgoing_recoveries"
	SettingConcurrentRebalance  = "cluster.routing.allocation.cluster_concurrent_rebalance"
	SettingConcurrentRecoveries = "cluster.routing.allocation.node_concurrent_recoveries"
	SettingCoverage             = "cluster.coverage" // followed by "." and a keyspace's name: for that keyspace alone
	SettingDiskEnabled          = "cluster.routing.allocation.disk.threshold_enabled"
	SettingDiskWatermark        = "cluster.routing.allocation.disk.watermark." // low, high and flood_stage, each also with ".max_headroom"
	SettingExclude              = "cluster.routing.allocation.exclude."
	SettingGreyAfter            = "cluster.liveness.grey.after"
	SettingGreyClear            = "cluster.liveness.grey.clear"
	SettingGreyFsync            = "cluster.liveness.grey.fsync"
	SettingGreyLate             = "cluster.liveness.grey.late"
	SettingGreyQueue            = "cluster.liveness.grey.queue"
	SettingHandOnAfter          = "cluster.liveness.hand_on.after"
	SettingHandOnSettle         = "cluster.liveness.hand_on.settle"
	SettingHoldFirst            = "cluster.liveness.hold.first"
	SettingHoldForget           = "cluster.liveness.hold.forget"
	SettingHoldMost             = "cluster.liveness.hold.most"
	SettingInclude              = "cluster.routing.allocation.include."
	SettingInitialPrimaries     = "cluster.routing.allocation.node_initial_primaries_recoveries"
	SettingMaxAdaptation        = "cluster.liveness.max_adaptation"
	SettingMaxRetries           = "cluster.routing.allocation.max_retries"
	SettingMemoryEnabled        = "cluster.routing.allocation.memory.threshold_enabled"
	SettingMemoryWatermark      = "cluster.routing.allocation.memory.watermark." // as of the disk
	SettingMisses               = "cluster.liveness.misses"
	SettingMuteAfter            = "cluster.liveness.mute.after"
	SettingNodeLeftDelay        = "cluster.routing.allocation.node_left.delayed_timeout"
	SettingPolicyGate           = "cluster.policies.gate"
	SettingProbeInterval        = "cluster.liveness.probe.interval"
	SettingProbeTimeout         = "cluster.liveness.probe.timeout"
	SettingProbers              = "cluster.liveness.probers"
	SettingRebalanceEnable      = "cluster.routing.rebalance.enable"
	SettingRebalanceWindows     = "cluster.routing.rebalance.windows"
	SettingRecoveryRate         = "indices.recovery.max_bytes_per_sec"
	SettingRedialTimeout        = "cluster.liveness.redial.timeout"
	SettingReplace              = "cluster.routing.replace."
	SettingReplicationLag       = "cluster.replication.lag"
	SettingRequire              = "cluster.routing.allocation.require."
	SettingRetryBackoff         = "cluster.routing.allocation.retry_backoff"
	SettingSameHost             = "cluster.routing.allocation.same_shard.host"
	SettingShardsPerNode        = "cluster.routing.allocation.total_shards_per_node"
	SettingVoterGrace           = "cluster.voters.grace"
)

// Values of the settings that choose.
const (
	EnableAll              = "all"
	EnablePrimaries        = "primaries"
	EnableNewPrimaries     = "new_primaries"
	EnableReplicas         = "replicas"
	EnableNone             = "none"
	CoveragePartial        = "partial" // a keyspace serves the shards that it has
	CoverageFull           = "full"    // a keyspace serves nothing while one of its shards is red
	RebalanceAlways        = "always"
	RebalanceWithAll       = "indices_all_active"
	RebalanceWithPrimaries = "indices_primaries_active"
)

// What filters look at beside attributes.
const (
	FilterName = "_name"
	FilterID   = "_id"
	FilterHost = "_host" // the machine that the node runs on
	FilterIP   = "_ip"   // of the address where other nodes reach it
)

// settingRules are sorted by name.
var settingRules = []SettingRule{
	{Name: SettingCoverage, Default: CoveragePartial, Values: []string{CoveragePartial, CoverageFull},
		Doc: "what a keyspace serves while one of its shards is red: partial, the others; full, nothing"},
	{Name: SettingGreyAfter, Default: "2s", Min: int64(50 * time.Millisecond), Max: int64(time.Hour), Time: true, Ticks: true,
		Doc: "how long a node must be slow before it is grey: it then gets no new copies and no leads, and what it leads is handed on"},
	{Name: SettingGreyClear, Default: "10s", Min: int64(50 * time.Millisecond), Max: int64(time.Hour), Time: true, Ticks: true,
		Doc: "how long a grey node must stay below half of each limit before it is one like others again"},
	{Name: SettingGreyFsync, Default: "500ms", Min: int64(time.Millisecond), Max: int64(time.Hour), Time: true, Ticks: true,
		Doc: "the 99th percentile of a node's fsyncs from which on it is slow; raise it where disks are slow and nothing is wrong"},
	{Name: SettingGreyLate, Default: "500ms", Min: int64(time.Millisecond), Max: int64(time.Hour), Time: true, Ticks: true,
		Doc: "the lateness of a node's own timer from which on it is slow"},
	{Name: SettingGreyQueue, Default: "500ms", Min: int64(time.Millisecond), Max: int64(time.Hour), Time: true, Ticks: true,
		Doc: "the time that work waits on a node from which on it is slow"},
	{Name: SettingHandOnAfter, Default: "1.5s", Min: int64(50 * time.Millisecond), Max: int64(time.Hour), Time: true, Ticks: true,
		Doc: "how long the placement leader does not hear a node that others reach, or that answers it, before it looks for a better placed voter to lead; and the pause before it looks again. Unless it is set, as long as a lease (--lease). How long a lease is, and with it how often heartbeats come, is a setting of each node: both sides must know it before the first is granted, so it does not change while nodes run"},
	{Name: SettingHandOnSettle, Default: "30s", Min: int64(50 * time.Millisecond), Max: int64(time.Hour), Time: true, Ticks: true,
		Doc: "how long a placement leader that follows a short reign keeps the lead before it hands it on, and at most the pause before it is offered again to one who did not take it"},
	{Name: SettingHoldFirst, Default: "10s", Min: int64(50 * time.Millisecond), Max: int64(24 * time.Hour), Time: true, Ticks: true,
		Doc: "how long a node that has come back for the second time in short order is kept from new copies; twice as long after each further time"},
	{Name: SettingHoldForget, Default: "5m", Min: int64(50 * time.Millisecond), Max: int64(24 * time.Hour), Time: true, Ticks: true,
		Doc: "undisturbed time after which one of these returns is forgotten"},
	{Name: SettingHoldMost, Default: "10m", Min: int64(50 * time.Millisecond), Max: int64(24 * time.Hour), Time: true, Ticks: true,
		Doc: "how long a node that comes and goes is kept from new copies at most; not below hold.first"},
	{Name: SettingMaxAdaptation, Default: "2s", Min: int64(50 * time.Millisecond), Max: int64(time.Minute), Time: true, Ticks: true,
		Doc: "how much longer a node may be silent, at most, where the network is uneven: what is added is measured"},
	{Name: SettingMisses, Default: "3", Min: 1, Max: 1000, Ticks: true,
		Doc: "heartbeats that a node may miss before it is suspect. Whether it is dead is another question: that takes proof, or the end of its lease"},
	{Name: SettingMuteAfter, Default: "6s", Min: int64(50 * time.Millisecond), Max: int64(time.Hour), Time: true, Ticks: true,
		Doc: "how long a node may answer the placement leader and send no heartbeat by itself, or send heartbeats that say that no answer comes, before it is taken for dead; never shorter than a lease. Unless it is set, four leases"},
	{Name: SettingProbeInterval, Default: "500ms", Min: int64(50 * time.Millisecond), Max: int64(time.Minute), Time: true, Ticks: true,
		Doc: "pause between two rounds in which other members are asked whether they reach a suspect; not below probe.timeout"},
	{Name: SettingProbeTimeout, Default: "400ms", Min: int64(50 * time.Millisecond), Max: int64(time.Minute), Time: true, Ticks: true,
		Doc: "how long those have who are asked, beside what is added for an uneven network"},
	{Name: SettingProbers, Default: "3", Min: 1, Max: 16, Ticks: true,
		Doc: "members that are asked about a suspect in each round"},
	{Name: SettingRedialTimeout, Default: "400ms", Min: int64(50 * time.Millisecond), Max: int64(time.Minute), Time: true, Ticks: true,
		Doc: "after which time the placement leader takes a suspect that it dials for one that does not answer"},
	{Name: SettingPolicyGate, Form: `limits, as in "vectors=3, plans=10, flips=0, moves=20, bytes=50gb, balance=1.2"`, Ticks: true,
		check: func(value string) error { _, err := ParsePolicyGate(value); return err },
		Doc:   "what must hold before any version of a policy is activated: its module carries so many golden vectors, which every node that may lead has then answered as recorded; it has been in the shadow, with the settings that it is to have, for so many plans, and in none of them did it fail, change more verdicts (flips) or more moves, move so many bytes more, or leave the fullest node so much above the mean, and fuller than without it; what is not said may be any number. One of vectors and plans must be said: with vectors alone nothing need be in the shadow. Vectors cannot be asked for while a member is of a release that does not play them. Unless it is set, what the activation asks for alone. One that gives a reason for it passes, and the policy's note says so. A rollback is not asked"},
	{Name: SettingReplicationLag, Default: "1.5s", Min: int64(200 * time.Millisecond), Max: int64(time.Hour), Time: true, Ticks: true,
		Doc: "how long a copy in sync may owe its primary an acknowledgement before it is one in sync no more: writes wait for it for so long"},
	{Name: SettingAllowRebalance, Default: RebalanceAlways, Values: []string{RebalanceAlways, RebalanceWithPrimaries, RebalanceWithAll},
		Doc: "what must be true of all shards before copies are moved for balance alone: always, nothing; indices_primaries_active, each has a primary; indices_all_active, each has all its copies"},
	{Name: SettingAwareness, Form: "names of attributes, as in zone,rack", Scoped: true, check: checkNames,
		Doc: "attributes of nodes over whose values the copies of a shard are spread"},
	{Name: SettingAwarenessForce + "{ATTRIBUTE}" + SettingAwarenessForceEnd, Form: "values, as in a,b,c", check: checkNames,
		Doc: "values of the attribute that there should be, whether or not nodes with them are there: the others do not take over their copies"},
	{Name: SettingConcurrentRebalance, Default: "4", Min: 0, Max: 1000,
		Doc: "relocations for balance alone that may go on in the whole cluster at a time"},
	{Name: SettingDiskEnabled, Default: "true", Values: []string{"false", "true"},
		Doc: "whether the watermarks of the disk hold"},
	watermark(SettingDiskWatermark, "flood_stage", "95%", "writes to shards with a copy on the node are refused, deletes are not, until the disk is below the high watermark again"),
	headroom(SettingDiskWatermark, "flood_stage", "10gb"),
	watermark(SettingDiskWatermark, "high", "90%", "copies are moved out of the node"),
	headroom(SettingDiskWatermark, "high", "15gb"),
	watermark(SettingDiskWatermark, "low", "85%", "the node gets no more copies"),
	headroom(SettingDiskWatermark, "low", "20gb"),
	{Name: SettingAllocationEnable, Default: EnableAll, Values: []string{EnableAll, EnablePrimaries, EnableNewPrimaries, EnableNone}, Scoped: true,
		Doc: "which copies may be allocated; an in-sync copy is promoted whatever it says"},
	filter(SettingExclude, "nodes that hold no copies: those of which one of these says one of the values"),
	filter(SettingInclude, "nodes that hold copies, and no others: those of which one of these says one of the values"),
	{Name: SettingMaxRetries, Default: "5", Min: 1, Max: 1000, Scoped: true,
		Doc: "failed copies of a shard in a row after which it is left alone until somebody retries it"},
	{Name: SettingMemoryEnabled, Default: "true", Values: []string{"false", "true"},
		Doc: "whether the watermarks of the memory hold"},
	watermark(SettingMemoryWatermark, "flood_stage", "97%", "writes to shards with a copy on the node are refused, deletes are not, until the memory is below the high watermark again"),
	headroom(SettingMemoryWatermark, "flood_stage", "2gb"),
	watermark(SettingMemoryWatermark, "high", "92%", "copies are moved out of the node"),
	headroom(SettingMemoryWatermark, "high", "4gb"),
	watermark(SettingMemoryWatermark, "low", "85%", "the node gets no more copies"),
	headroom(SettingMemoryWatermark, "low", "8gb"),
	{Name: SettingConcurrentIncoming, Form: "a number from 1 to 1000", check: checkNumber(1, 1000),
		Doc: "recoveries into a node at a time; unless it is set what node_concurrent_recoveries says"},
	{Name: SettingConcurrentOutgoing, Form: "a number from 1 to 1000", check: checkNumber(1, 1000),
		Doc: "recoveries out of a node at a time; unless it is set what node_concurrent_recoveries says"},
	{Name: SettingConcurrentRecoveries, Default: "16", Min: 1, Max: 1000,
		Doc: "recoveries into a node, and out of one, at a time; shards are smaller here than where the name comes from, whose default is 2"},
	{Name: SettingInitialPrimaries, Default: "0", Min: 0, Max: 100000,
		Doc: "first copies of shards that may begin on a node at a time; 0, as many as there are: they begin empty here"},
	{Name: SettingNodeLeftDelay, Default: "1m", Max: int64(24 * time.Hour), Time: true,
		Doc: "how long the copies of a dead node are waited for before they are replaced"},
	filter(SettingRequire, "nodes that hold copies, and no others: those of which each of these says all of the values"),
	{Name: SettingRetryBackoff, Default: "1s", Max: int64(time.Hour), Time: true, Scoped: true,
		Doc: "how long a shard is left alone after a copy of it failed; twice as long after each further one in a row"},
	{Name: SettingSameHost, Default: "false", Values: []string{"false", "true"},
		Doc: "whether two copies of a shard are kept off one host, not only off one node"},
	{Name: SettingShardsPerNode, Default: "-1", Min: -1, Max: MaxShards, Scoped: true,
		Doc: "copies that a node may hold, of all keyspaces or, said for a keyspace, of that one; -1, any number"},
	{Name: SettingBudgetBytes, Default: NoBudget, Form: "a size, as in 20gb, or -1 for none", Scoped: true,
		check: func(value string) error { _, err := ParseBudget(value); return err },
		Doc:   "how much is copied for balance alone within budget.window, of all keyspaces or, said for a keyspace, of that one: no more copies begin to move when as much has begun, by the size of shards as measured; -1, any amount. While a member is of a release that cannot read what is counted nothing moves"},
	{Name: SettingBudgetCopies, Default: NoBudget, Min: -1, Max: MaxRebalances, Scoped: true,
		Doc: "copies that begin to move for balance alone within budget.window, of all keyspaces or, said for a keyspace, of that one; -1, any number. Copies that must leave, drains and commands of operators count nothing. While a member is of a release that cannot read what is counted nothing moves"},
	{Name: SettingBudgetWindow, Default: "1h", Min: int64(time.Second), Max: int64(MaxBudgetWindow), Time: true, Scoped: true,
		Doc: "the time that budgets of relocations for balance are for: it ends now, so that what was moved is counted for so long"},
	{Name: SettingCooldown, Default: "0s", Max: int64(MaxBudgetWindow), Time: true, Scoped: true,
		Doc: "how long a shard of which a copy began to move for balance is left alone before another moves for balance: none comes back to a node that it has just left; 0s, not at all. It does not hold while a member is of a release that cannot read what is counted"},
	{Name: SettingRebalanceEnable, Default: EnableAll, Values: []string{EnableAll, EnablePrimaries, EnableReplicas, EnableNone}, Scoped: true,
		Doc: "which copies may be moved for balance alone"},
	{Name: SettingRebalanceWindows, Form: `times of the week in UTC, as in "Mon-Fri 22:00-06:00, Sun 00:00-24:00"`, Scoped: true,
		check: func(value string) error { _, err := ParseWindows(value); return err },
		Doc:   "when copies may be moved for balance alone; unless it is set, always"},
	{Name: SettingReplace + "{NODE}", Form: "the name of the node that takes its place", check: checkName,
		Doc: "copies leave the node for this one alone, which takes no others until the node is forgotten or the setting removed"},
	{Name: SettingVoterGrace, Default: "3s", Max: int64(24 * time.Hour), Time: true,
		Doc: "how long a dead voter is waited for before another votes in its place"},
	{Name: SettingRecoveryRate, Default: "40mb", Form: "a size, as in 40mb, or -1 for none",
		check: func(value string) error { _, err := ParseRate(value); return err }, Ticks: true,
		Doc: "bytes in a second that a node sends of all snapshots together that are on their way to new copies; each gets 320kb in any case, lest it take its end for dead; -1, as fast as it goes. What follows a snapshot, the writes since it was taken, is not held up"},
}

func watermark(prefix, stage, otherwise, then string) SettingRule {
	return SettingRule{Name: prefix + stage, Default: otherwise, Form: "a part that is used, as in 85%, or what is left, as in 20gb",
		check: func(value string) error { _, err := ParseWatermark(value); return err },
		Doc:   "when more is used, or less is left, " + then}
}

// maxHeadroom follows the name of a watermark.
const maxHeadroom = ".max_headroom"

func headroom(prefix, stage, otherwise string) SettingRule {
	return SettingRule{Name: prefix + stage + maxHeadroom, Default: otherwise, Form: "a size, as in 20gb, or -1 for none",
		check: func(value string) error { _, err := ParseHeadroom(value); return err },
		Doc:   "what a watermark that is a part leaves at most: a large node need not leave more; -1, there is no such limit, as where the watermark itself is set and this is not"}
}

func filter(prefix, doc string) SettingRule {
	return SettingRule{Name: prefix + "{ATTRIBUTE}", Form: "values, as in a,b*; * stands for any text", Scoped: true, check: checkNames,
		special: []string{FilterName, FilterID, FilterHost, FilterIP},
		Doc:     doc + "; beside attributes there are _name, _id, _host and _ip"}
}
