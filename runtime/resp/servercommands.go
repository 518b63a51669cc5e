package resp

import (
	"fmt"
	"os"
	goruntime "runtime"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// compatible is the Redis version whose behaviour the commands follow.
const compatible = "7.0.15"

// serverRows are the commands about the server.
var serverRows = []command{
	{name: "command", arity: -1, flags: flagLoading | flagStale, group: "server", since: "2.8.13", summary: "Returns detailed information about all commands.",
		subs: []*command{
			{name: "command|count", arity: 2, flags: flagLoading | flagStale, since: "2.8.13", summary: "Returns a count of commands."},
			{name: "command|list", arity: -2, flags: flagLoading | flagStale, since: "7.0.0", summary: "Returns a list of command names.", syntax: "[FILTERBY PATTERN pattern]"},
			{name: "command|info", arity: -2, flags: flagLoading | flagStale, since: "2.8.13", summary: "Returns information about one, multiple or all commands.", syntax: "[command-name [command-name ...]]"},
			{name: "command|docs", arity: -2, flags: flagLoading | flagStale, since: "7.0.0", summary: "Returns documentary information about one, multiple or all commands.", syntax: "[command-name [command-name ...]]"},
			{name: "command|getkeys", arity: -4, flags: flagLoading | flagStale, since: "2.8.13", summary: "Extracts the key names from an arbitrary command.", syntax: "command [arg [arg ...]]"},
		}},
	{name: "config", arity: -2, flags: flagAdmin | flagLoading | flagStale, group: "server", since: "2.0.0", summary: "A container for server configuration commands.", run: runArity,
		subs: []*command{
			{name: "config|get", arity: -3, flags: flagAdmin | flagLoading | flagStale, since: "2.0.0", summary: "Returns the effective values of configuration parameters.", syntax: "parameter [parameter ...]", run: runConfigGet},
			{name: "config|resetstat", arity: 2, flags: flagAdmin | flagLoading | flagStale, since: "2.0.0", summary: "Resets the server's statistics.", run: runResetStat},
		}},
	{name: "info", arity: -1, flags: flagLoading | flagStale | flagBarrier, group: "server", since: "1.0.0", summary: "Returns information and statistics about the server.", syntax: "[section [section ...]]", run: runInfo},
	{name: "time", arity: 1, flags: flagFast | flagLoading | flagStale, group: "server", since: "2.6.0", summary: "Returns the server time.", run: runTime},
}

func runResetStat(c *conn, q *request) {
	c.s.commands.Store(0)
	c.s.accepted.Store(0)
	c.s.refused.Store(0)
	q.out = appendStatus(q.out, "OK")
}

func runTime(c *conn, q *request) {
	now := time.UnixMilli(c.now)
	q.out = appendBulks(q.out, strconv.FormatInt(now.Unix(), 10), strconv.Itoa(now.Nanosecond()/1000))
}

// settings are what CONFIG GET knows, in the order in which it tells.
func (s *Server) settings() [][2]string {
	facts := s.backend.Facts()
	eviction := evictionName(&facts)
	appendOnly, appendSync := s.durability()
	return append([][2]string{
		{"appendfsync", appendSync}, {"appendonly", appendOnly}, {"bind", ""}, {"cluster-enabled", "yes"},
		{"databases", strconv.Itoa(len(s.backend.Keyspaces()))}, {"dir", facts.DataDir},
		{"maxclients", strconv.Itoa(s.config.MaxClients)}, {"maxmemory", strconv.FormatInt(facts.MaxMemory, 10)}, {"maxmemory-clients", strconv.FormatInt(s.config.MaxMemory, 10)}, {"maxmemory-policy", eviction},
		{"proto-max-bulk-len", strconv.FormatInt(s.config.MaxBulk, 10)}, {"save", ""},
		{"tcp-keepalive", strconv.Itoa(int(s.config.KeepAlive / time.Second))}, {"timeout", strconv.Itoa(int(s.config.IdleTimeout / time.Second))},
	}, s.slowSettings()...)
}

func runConfigGet(c *conn, q *request) {
	var found [][2]string
	for _, setting := range c.s.settings() {
		for _, pattern := range q.args[2:] {
			if len(pattern) <= maxPattern && match([]byte(strings.ToLower(string(pattern))), []byte(setting[0])) {
				found = append(found, setting)
				break
			}
		}
	}
	q.out = appendMap(q.out, len(found), q.v3)
	for _, setting := range found {
		q.out = appendBulk(appendBulk(q.out, setting[0]), setting[1])
	}
}

// infoSections are INFO's, in Redis' order.
var infoSections = []struct {
	name  string
	write func(c *conn, f *Facts, t *strings.Builder)
}{
	{"Server", infoServer}, {"Clients", infoClients}, {"Memory", infoMemory}, {"Persistence", infoPersistence},
	{"Stats", infoStats}, {"Replication", infoReplication}, {"Cluster", infoCluster}, {"Keyspace", infoKeyspace},
}

func runInfo(c *conn, q *request) {
	wanted := map[string]bool{}
	for _, word := range q.args[1:] {
		wanted[strings.ToLower(string(word))] = true
	}
	all := len(wanted) == 0 || wanted["all"] || wanted["default"] || wanted["everything"]
	facts := c.s.backend.Facts()
	var text strings.Builder
	for _, section := range infoSections {
		if !all && !wanted[strings.ToLower(section.name)] {
			continue
		}
		if text.Len() > 0 {
			text.WriteString("\r\n")
		}
		text.WriteString("# " + section.name + "\r\n")
		section.write(c, &facts, &text)
	}
	q.out = appendText(q.out, text.String(), q.v3)
}

func infoServer(c *conn, f *Facts, t *strings.Builder) {
	up := max(c.now-f.Started, 0) / 1000
	fmt.Fprintf(t, "redis_version:%s\r\ntroupe_version:%s\r\nredis_mode:cluster\r\nos:%s %s\r\narch_bits:%d\r\nprocess_id:%d\r\nrun_id:%s\r\ntcp_port:%d\r\nserver_time_usec:%d\r\nuptime_in_seconds:%d\r\nuptime_in_days:%d\r\n",
		compatible, f.Version, goruntime.GOOS, goruntime.GOARCH, strconv.IntSize, os.Getpid(), f.NodeID, c.s.backend.Nodes(c.space)[0].Port, c.now*1000, up, up/86400)
}

// infoClients has no client that is blocked: no command waits for what others do.
func infoClients(c *conn, _ *Facts, t *strings.Builder) {
	c.s.mu.Lock()
	n := len(c.s.conns)
	c.s.mu.Unlock()
	fmt.Fprintf(t, "connected_clients:%d\r\nmaxclients:%d\r\nblocked_clients:0\r\ntracking_clients:0\r\n", n, c.s.config.MaxClients)
}

func infoMemory(c *conn, f *Facts, t *strings.Builder) {
	eviction := evictionName(f)
	held, _, _ := c.s.Held()
	fmt.Fprintf(t, "used_memory:%d\r\nused_memory_human:%s\r\nmaxmemory:%d\r\nmaxmemory_human:%s\r\nmaxmemory_policy:%s\r\nmem_clients_normal:%d\r\n",
		f.UsedMemory, humanBytes(f.UsedMemory), f.MaxMemory, humanBytes(f.MaxMemory), eviction, held)
}

// humanBytes writes a size as Redis does: 512B, 1.50K, 2.00M.
func humanBytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%dB", n)
	}
	size, units := float64(n)/(1<<10), "KMGTPE"
	for size >= 1<<10 {
		size, units = size/(1<<10), units[1:]
	}
	return fmt.Sprintf("%.2f%c", size, units[0])
}

// infoPersistence has no save and no rewrite that are under way: logs and snapshots are written all the time.
func infoPersistence(c *conn, f *Facts, t *strings.Builder) {
	appendOnly, _ := c.s.durability()
	fmt.Fprintf(t, "loading:%d\r\nrdb_bgsave_in_progress:0\r\nrdb_last_save_time:%d\r\naof_enabled:%d\r\naof_rewrite_in_progress:0\r\naof_current_size:%d\r\n",
		btoi(f.Loading), f.LastSaveUnix, btoi(appendOnly == "yes"), f.LogBytes)
}

// durability says in Redis' words what the most durable keyspace does: whether it has a log, and when that is synced.
func (s *Server) durability() (appendOnly, appendSync string) {
	appendOnly, appendSync = "no", "no"
	for _, k := range s.backend.Keyspaces() {
		switch k.Durability {
		case shards.DurabilityFsync:
			return "yes", "always"
		case shards.DurabilityInterval:
			appendOnly, appendSync = "yes", "everysec"
		}
	}
	return appendOnly, appendSync
}

func infoStats(c *conn, f *Facts, t *strings.Builder) {
	fmt.Fprintf(t, "total_connections_received:%d\r\ntotal_commands_processed:%d\r\ninstantaneous_ops_per_sec:%d\r\nrejected_connections:%d\r\nexpired_keys:%d\r\nevicted_keys:%d\r\npubsub_channels:%d\r\npubsub_patterns:%d\r\npubsubshard_channels:%d\r\n",
		c.s.accepted.Load(), c.s.commands.Load(), c.s.pace.Load(), c.s.refused.Load(), f.ExpiredKeys, f.EvictedKeys,
		len(c.s.hub.names(kindChannel, nil)), len(c.s.hub.names(kindPattern, nil)), len(c.s.hub.names(kindShard, nil)))
}

func infoKeyspace(_ *conn, f *Facts, t *strings.Builder) {
	for i, k := range f.PerKeyspace {
		if k.Keys > 0 {
			fmt.Fprintf(t, "db%d:keys=%d,expires=%d,avg_ttl=0\r\n", i, k.Keys, k.Expiring)
		}
	}
}
