package admin

import (
	"iter"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// requestCounts count answers of this server.
type requestCounts struct{ answers *prometheus.CounterVec }

func newRequestCounts() requestCounts {
	return requestCounts{answers: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "troupe_http_requests_total", Help: "HTTP requests answered, by path pattern and status (0: broken off).",
	}, []string{"path", "code"})}
}

func (c *requestCounts) answered(path string, status int) {
	c.answers.WithLabelValues(path, strconv.Itoa(status)).Inc()
}

func newRegistry(b Backend, counts *requestCounts, r *room, more []prometheus.Collector) *prometheus.Registry {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), counts.answers, &nodeCollector{b, r}, &clusterCollector{backend: b},
	)
	registry.MustRegister(more...)
	return registry
}

// metric describes one metric of the node.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("troupe_"+name, help, labels, nil)
}

var (
	metricInfo      = metric("node_info", "Always 1; who this node is.", "version", "node", "node_id", "cluster")
	metricEpoch     = metric("node_epoch", "How often this node has started.")
	metricShards    = metric("keyspace_shards", "Copies of shards on this node, by state.", "keyspace", "state")
	metricKeys      = metric("keyspace_keys", "Keys in this node's primaries of a keyspace.", "keyspace")
	metricBytes     = metric("keyspace_bytes", "Memory of this node's primaries of a keyspace, in bytes.", "keyspace")
	metricMaxMemory = metric("keyspace_max_memory_bytes", "Memory limit of a keyspace on one node, in bytes; 0 is none.", "keyspace")
	metricReads     = metric("keyspace_reads_total", "Read operations on this node.", "keyspace")
	metricWrites    = metric("keyspace_writes_total", "Write operations on this node.", "keyspace")
	metricExpired   = metric("keyspace_expired_keys_total", "Keys deleted because their time had come.", "keyspace")
	metricEvicted   = metric("keyspace_evicted_keys_total", "Keys deleted because of the memory limit.", "keyspace")

	metricShardKeys    = metric("shard_keys", "Keys in a shard's primary; as other figures of single shards, served while the node leads fewer than 256.", "keyspace", "shard")
	metricShardBytes   = metric("shard_bytes", "Memory of a shard's primary, in bytes.", "keyspace", "shard")
	metricShardApplied = metric("shard_applied_sequence", "Last applied sequence number of a shard's primary.", "keyspace", "shard")
	metricShardLog     = metric("shard_log_bytes", "Records of a shard in the log, in bytes: about what a restart replays.", "keyspace", "shard")

	metricGuestMessages  = metric("guest_messages_total", "Messages that actors whose code is a module have had here, by outcome: handled, refused, or stopped by a trap or a limit.", "kind", "version", "outcome")
	metricGuestFuel      = metric("guest_fuel_total", "Instructions that these messages have used.", "kind", "version")
	metricGuestInstances = metric("guest_instances_total", "Instances of a module of actors that were made.", "kind", "version")

	metricLogAppends = metric("log_append_total", "Batches written to the log.")
	metricLogRecords = metric("log_record_total", "Records written to the log; records per batch is what group commit gains.")
	metricLogWritten = metric("log_written_bytes_total", "Bytes written to the log.")
	metricLogBytes   = metric("log_bytes", "Size of the log on disk, in bytes.")
	metricFsync      = metric("log_fsync_seconds", "Time that a durable append to the log took, its write and its fsync, in seconds.")
	metricSnapshots  = metric("snapshot_total", "Snapshots written.")
	metricSnapBytes  = metric("snapshot_bytes", "Size of the snapshots on disk, in bytes.")
	metricDiskFree   = metric("disk_free_bytes", "Free space of the data folder's disk, in bytes.")
	metricReserve    = metric("disk_reserve_bytes", "Free space below which writes that grow are refused, in bytes.")

	metricRESPConns    = metric("resp_connections", "Open connections of Redis clients.")
	metricRESPCommands = metric("resp_commands_total", "Commands of Redis clients.")
	metricRESPHeld     = metric("resp_held_bytes", "Commands, transactions, replies and messages of all Redis clients that are held, beyond what each has free, in bytes.")
	metricRESPLimit    = metric("resp_held_limit_bytes", "Limit of what all Redis clients hold together, in bytes.")
	metricRESPRefused  = metric("resp_held_refused_total", "Times that a Redis client was refused, since all clients held what they may.")
	metricCertificate  = metric("certificate_end_seconds", "When the certificate ends that this node shows to clients or to other nodes, or the one that has signed it, in seconds since 1970.", "to")
	metricWatchers     = metric("watchers", "Watches that are on.")
	metricActors       = metric("actor_active", "Actors of this node that are in memory.", "type")
	metricActorBytes   = metric("actor_bytes", "Memory that actors of this node are taken to need, in bytes.", "type")
	metricMailbox      = metric("actor_mailbox_depth", "Messages that wait in mailboxes of actors of this node.", "type")
	metricForwards     = metric("routing_forwards_total", "Pieces of work for shards that this node sent to other nodes, since those lead them.")
	metricRetries      = metric("client_retries_total", "Pieces of work for shards that this node tried again, since nobody led them, or somebody else did.")
	metricLimbo        = metric("keyspace_limbo_bytes", "Memory of this node's copies of a keyspace that only open snapshots still see: scans, backups, and copies on their way, in bytes.", "keyspace")
	metricOpen         = metric("keyspace_open_snapshots", "Snapshots of this node's copies of a keyspace that are open.", "keyspace")
	metricOldest       = metric("keyspace_oldest_snapshot_seconds", "How long the oldest open snapshot of this node's copies of a keyspace has been open, in seconds; 0 if none is.", "keyspace")
	metricLag          = metric("shard_replication_lag", "Operations that the slowest copy in sync lacks of what its primary has ordered, the most of any primary of this node.", "keyspace")
	metricApplyLag     = metric("raft_apply_lag", "Entries of the metadata group's log that this node knows to be committed and has not applied yet.")
	metricClockOffset  = metric("cluster_clock_offset_seconds", "How far this node's clock is ahead of the placement leader's, to half of a round trip; missing while that is not known.")
	metricPending      = metric("raft_proposal_pending", "Commands of this node that the metadata group has not answered yet.")
	metricThrown       = metric("transport_dropped_total", "What other nodes sent and this one threw away, by reason.", "reason")
	metricHTTPRunning  = metric("http_requests_in_progress", "HTTP requests that are being answered, by kind.", "kind")
	metricHTTPHeld     = metric("http_held_bytes", "Large values of HTTP requests in flight, in bytes.")
	metricHTTPRefused  = metric("http_refused_total", "HTTP requests refused because a limit was reached.")
)

// nodeCollector reads the backend's figures at each scrape.
type nodeCollector struct {
	backend Backend
	room    *room
}

// Describe names no metric in advance: which there are depends on keyspaces and shards.
func (c *nodeCollector) Describe(chan<- *prometheus.Desc) {}

// Collect sends every figure.
func (c *nodeCollector) Collect(out chan<- prometheus.Metric) {
	m := sender{out}
	n := c.backend.Node()
	m.gauge(metricInfo, 1, n.Version, n.Name, string(n.ID), n.Cluster)
	m.gauge(metricEpoch, float64(n.Epoch))
	m.keyspaces(keyspaceInfos(c.backend.Keyspaces(), c.backend.Shards()))
	m.shards(c.backend.Shards())
	f := c.backend.Facts()
	m.facts(&f)
	m.gauge(metricHTTPRunning, float64(len(c.room.requests)), "request")
	m.gauge(metricHTTPRunning, float64(len(c.room.streams)), "stream")
	m.gauge(metricHTTPHeld, float64(c.room.bytes.Load()))
	m.counter(metricHTTPRefused, float64(c.room.refused.Load()))
}

type sender struct{ out chan<- prometheus.Metric }

func (m sender) gauge(d *prometheus.Desc, value float64, labels ...string) {
	m.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func (m sender) counter(d *prometheus.Desc, value float64, labels ...string) {
	m.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
}

func (m sender) keyspaces(infos []KeyspaceInfo) {
	for _, k := range infos {
		m.gauge(metricKeys, float64(k.Keys), k.Name)
		m.gauge(metricBytes, float64(k.Bytes), k.Name)
		m.gauge(metricMaxMemory, float64(k.MaxMemory), k.Name)
	}
}

// mostShardSeries is how many primaries a node has no series of each of them with: those would be most of what it serves.
const mostShardSeries = 256

func (m sender) shards(copies iter.Seq[Shard]) {
	type group struct {
		keyspace string
		state    ShardState
	}
	states, primaries := map[group]int{}, 0
	for c := range copies {
		states[group{c.Keyspace, c.State}]++
		if c.Primary {
			primaries++
		}
	}
	for c := range copies {
		if primaries >= mostShardSeries {
			break
		}
		if !c.Primary {
			continue
		}
		index := strconv.Itoa(c.ID.Index())
		m.gauge(metricShardKeys, float64(c.Keys), c.Keyspace, index)
		m.gauge(metricShardBytes, float64(c.Bytes), c.Keyspace, index)
		m.gauge(metricShardApplied, float64(c.Applied), c.Keyspace, index)
		m.gauge(metricShardLog, float64(c.LogBytes), c.Keyspace, index)
	}
	for g, n := range states {
		m.gauge(metricShards, float64(n), g.keyspace, string(g.state))
	}
}

func (m sender) facts(f *Facts) {
	for _, k := range f.Keyspaces {
		m.counter(metricReads, float64(k.Reads), k.Name)
		m.counter(metricWrites, float64(k.Writes), k.Name)
		m.counter(metricExpired, float64(k.Expired), k.Name)
		m.counter(metricEvicted, float64(k.Evicted), k.Name)
		m.gauge(metricLag, float64(k.Lag), k.Name)
		m.gauge(metricLimbo, float64(k.Limbo), k.Name)
		m.gauge(metricOpen, float64(k.Snapshots), k.Name)
		m.gauge(metricOldest, k.Oldest.Seconds(), k.Name)
	}
	for _, g := range f.Guests {
		m.counter(metricGuestMessages, float64(g.Handled), g.Kind, g.Version, "handled")
		m.counter(metricGuestMessages, float64(g.Refused), g.Kind, g.Version, "refused")
		m.counter(metricGuestMessages, float64(g.Stopped), g.Kind, g.Version, "stopped")
		m.counter(metricGuestFuel, float64(g.Fuel), g.Kind, g.Version)
		m.counter(metricGuestInstances, float64(g.Made), g.Kind, g.Version)
	}
	m.counter(metricLogAppends, float64(f.LogAppends))
	m.counter(metricLogRecords, float64(f.LogRecords))
	m.counter(metricLogWritten, float64(f.LogWritten))
	m.gauge(metricLogBytes, float64(f.LogBytes))
	m.histogram(metricFsync, f.Fsync)
	m.counter(metricSnapshots, float64(f.Snapshots))
	m.gauge(metricSnapBytes, float64(f.SnapshotBytes))
	m.gauge(metricDiskFree, float64(f.DiskFree))
	m.gauge(metricReserve, float64(f.DiskReserve))
	m.gauge(metricRESPConns, float64(f.RESPConnections))
	m.counter(metricRESPCommands, float64(f.RESPCommands))
	m.gauge(metricRESPHeld, float64(f.RESPHeld))
	m.gauge(metricRESPLimit, float64(f.RESPLimit))
	m.counter(metricRESPRefused, float64(f.RESPRefused))
	for to, end := range f.Certificates {
		m.gauge(metricCertificate, float64(end), to)
	}
	m.gauge(metricWatchers, float64(f.Watchers))
	for _, k := range f.Actors {
		m.gauge(metricActors, float64(k.Active), k.Kind)
		m.gauge(metricActorBytes, float64(k.Bytes), k.Kind)
		m.gauge(metricMailbox, float64(k.Waiting), k.Kind)
	}
	m.gauge(metricPending, float64(f.ProposalsPending))
	m.gauge(metricApplyLag, float64(f.ApplyLag))
	m.counter(metricForwards, float64(f.Forwards))
	m.counter(metricRetries, float64(f.Retries))
	if f.ClockKnown {
		m.gauge(metricClockOffset, f.ClockOffset.Seconds())
	}
	m.counter(metricThrown, float64(f.Thrown.Unknown), "unknown")
	m.counter(metricThrown, float64(f.Thrown.Malformed), "malformed")
	m.counter(metricThrown, float64(f.Thrown.TooLong), "too_long")
	m.counter(metricThrown, float64(f.Thrown.Silenced), "silenced")
}

// histogram turns counts per bucket into Prometheus' cumulative ones.
func (m sender) histogram(d *prometheus.Desc, h Histogram) {
	buckets := make(map[float64]uint64, len(h.Bounds))
	total := uint64(0)
	for i, n := range h.Counts {
		total += n
		if i < len(h.Bounds) {
			buckets[h.Bounds[i]] = total
		}
	}
	m.out <- prometheus.MustNewConstHistogram(d, total, h.Sum, buckets)
}
