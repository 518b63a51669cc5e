package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// recorded answers like a node whose answers were written down, and notes what it was asked.
type recorded struct {
	mu      sync.Mutex
	answers map[string][]any // by method and path: each in turn, the last for ever
	asked   []string
}

func record(t *testing.T, answers map[string][]any) (addr string, r *recorded) {
	t.Helper()
	r = &recorded{answers: answers}
	node := httptest.NewServer(r)
	t.Cleanup(node.Close)
	return strings.TrimPrefix(node.URL, "http://"), r
}

func (r *recorded) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	name := request.Method + " " + request.URL.Path
	r.asked = append(r.asked, strings.TrimSpace(request.Method+" "+request.URL.RequestURI()+" "+string(body)))
	list := r.answers[name]
	if len(list) == 0 {
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"error":{"kind":"not found","reason":"no such thing"},"status":404}`)
		return
	}
	if len(list) > 1 {
		r.answers[name] = list[1:]
	}
	json.NewEncoder(w).Encode(list[0])
}

// has says whether the node was asked this.
func (r *recorded) has(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.asked, func(one string) bool { return strings.Contains(one, text) })
}

var (
	green = admin.Health{ClusterName: "troupe", Status: "green", Nodes: 3, ActiveShards: 32, Leader: "n1", ActivePercent: 100}
	red   = admin.Health{
		ClusterName: "troupe", Status: "red", Nodes: 3, ActiveShards: 29, UnassignedShards: 2, InitializingShards: 1, Down: []string{"n2"}, TimedOut: true, ReadOnly: true,
		Reasons: []admin.HealthReason{{Shard: "orders/3", Status: "red", Reason: "no in-sync copy is on a living node"}}, Unlisted: 2, NotServed: []string{"orders"},
	}
	row3 = admin.Row{Shard: "orders/3", Term: 4, Version: 9, Primary: "c1", Copies: []admin.RowCopy{
		{Copy: "c1", Node: "n1", InSync: true}, {Copy: "c7", Node: "n3", Source: "c1"}, {Copy: "c8", Node: "n2", Failed: true}, {Copy: "c9", Node: "n4", InSync: true},
	}}
	done = admin.Acknowledged{Acknowledged: true, Changed: true, Version: 12}
	same = admin.Acknowledged{Acknowledged: true, Version: 12}
)

func TestClusterVerbs(t *testing.T) {
	planned := admin.RerouteAnswer{DryRun: true, Version: 9, Moves: []admin.PlannedMove{{Shard: "orders/3", Move: "relocate", Node: "n3", Source: "n1", Reason: "even spread"}},
		Waiting: []admin.HealthReason{{Shard: "orders/4", Reason: "the node may come back"}}}
	refused := admin.RerouteAnswer{Refused: []admin.RefusedWish{{Reason: "node n3 holds a copy", Verdicts: []admin.Verdict{{Question: "allocate", Decider: "alive", Decision: "yes"}, {Question: "allocate", Decider: "same_node", Decision: "no", Reason: "it holds c7"}}}}}
	explained := admin.ExplainAnswer{Shard: row3, Summary: "orders/3 term 4: c1@n1 primary; it lacks a copy", Nodes: []admin.ExplainedNode{
		{Node: "n1", Decision: "no", Copy: &admin.RowCopy{Copy: "c1", InSync: true}, Verdicts: []admin.Verdict{{Question: "remain", Decider: "draining", Decision: "no", Reason: "node n1 is draining"},
			{Question: "promote", Decider: "alive", Decision: "yes"}, {Question: "allocate", Decider: "same_node", Decision: "no", Reason: "it holds c1"}}},
		{Node: "n5", Decision: "throttle", Verdicts: []admin.Verdict{{Question: "allocate", Decider: "same_node", Decision: "yes"}, {Question: "start", Decider: "throttling", Decision: "throttle", Reason: "2 are coming"}},
			Scores: []admin.NodeScore{{Scorer: "few", Score: 1.25}}},
	}}
	losses := admin.LossAnswer{Losses: []admin.NodeLoss{{Node: "n1", Copies: 9, Summary: "the others would take over all that it has"}, {Node: "n2", Copies: 1, Summary: "1 of its copies would have no place"}}, Waiting: []string{"n3"}}
	given := "y"
	then := admin.History{Node: "n1", Began: 1772366000000, Moments: []admin.Routing{{At: 1772366000000, Version: 9, Leader: "n1", Whole: true, Nodes: []admin.Node{{Name: "n2", State: admin.Dead}}, Shards: []admin.Row{row3}}}}
	set := admin.Settings{Version: 3, Persistent: map[string]string{"a.b": "x"}, Defaults: map[string]string{"c.d": "5"}, About: map[string]string{"c.d": "how many"}}
	for _, c := range []struct {
		line    string
		answers map[string][]any
		code    int
		want    string // on standard output or standard error
		asked   string
	}{
		{"health", map[string][]any{"GET /_cluster/health": {green}}, 0, "green  cluster troupe, leader n1, 3 nodes, 32 of 32 copies in sync\n", ""},
		{"health", map[string][]any{"GET /_cluster/health": {admin.Health{ClusterName: "troupe", Status: "green", Nodes: 3, Leader: "n1", Draining: []string{"n2", "n3"}, Maintained: []string{"n1"}}}}, 0,
			"0 of 0 copies in sync, draining: n2 n3, in maintenance: n1\n", ""},
		{"health", map[string][]any{"GET /_cluster/health": {red}}, 4, "red    cluster troupe, leader none, 3 nodes, 29 of 32 copies in sync, 1 recovering, 2 without a place, down: n2, read-only for maintenance, not served: orders\n" +
			"  red    orders/3: no in-sync copy is on a living node\n  and 2 shards more\n", ""},
		{"health --wait green --timeout 2s", map[string][]any{"GET /_cluster/health": {red}}, 4, "is red and did not become green in 2s", "wait_for_status=green"},
		{"health --json", map[string][]any{"GET /_cluster/health": {green}}, 0, `"status":"green"`, ""},
		{"health --losses", map[string][]any{"GET /_cluster/health": {green}, "GET /_cluster/losses": {losses}}, 0, " in sync\nif a node died:\n" +
			"  n1     9 copies: the others would take over all that it has\n  n2     1 copy: 1 of its copies would have no place\n  not looked at yet: n3; ask again when the cluster is at rest\n", ""},
		{"health --losses --json", map[string][]any{"GET /_cluster/health": {green}, "GET /_cluster/losses": {losses}}, 0, `"node_losses":{"losses":[{"node":"n1"`, ""},
		{"leader", map[string][]any{"GET /_cluster/health": {green}}, 0, "n1\n", ""},
		{"leader", map[string][]any{"GET /_cluster/health": {red}}, 1, "no node leads", ""},
		{"leader transfer n2", map[string][]any{"POST /_cluster/leader": {done}}, 0, "n2 leads\n", "?node=n2"},
		{"shards --bad", map[string][]any{"GET /_cat/shards": {[]map[string]string{
			{"keyspace": "a", "shard": "0", "prirep": "p", "state": "STARTED", "node": "n1"}, {"keyspace": "a", "shard": "1", "prirep": "r", "state": "UNASSIGNED", "node": "-", "unassigned.reason": "its node is down"},
		}}}, 0, "SHARD  P/R  STATE       NODE  KEYS  MEMORY  SEQ  TERM  COPY  REASON\na/1    r    unassigned  -                                    its node is down\n", ""},
		{"shards --at 2026-03-01T12:00:00Z", map[string][]any{"GET /_cluster/history": {then}}, 0, "version 9, in force from 2026-03-01 ", "from=1772366400000"},
		{"shards orders --at 2026-03-01T12:00:00Z", map[string][]any{"GET /_cluster/history": {then}}, 0, "SHARD     P/R  STATE             NODE  TERM  COPY\norders/3  p    started           n1    4     c1\norders/3  r    comes for c1      n3    4     c7\norders/3  r    its node is down  n2    4     c8\n", ""},
		{"shards nope", map[string][]any{"GET /_cat/shards": {[]map[string]string{{"keyspace": "b", "shard": "0", "state": "STARTED"}, {"keyspace": "a", "shard": "0", "state": "STARTED"}}}}, 3, `no keyspace "nope"; there are a, b`, ""},
		{"shards nope --bad --json", map[string][]any{"GET /_cat/shards": {[]map[string]string{{"keyspace": "a", "shard": "0", "state": "STARTED"}}}}, 3, `no keyspace "nope"; there are a`, ""},
		{"shards nope --at 2026-03-01T12:00:00Z", map[string][]any{"GET /_cluster/history": {then}}, 3, `no keyspace "nope"; there are orders`, ""},
		{"shards --at 2026-02-01T12:00:00Z", map[string][]any{"GET /_cluster/history": {then}}, 3, "no node that runs remembers the shards of 2026-02-01T12:00:00Z", ""},
		{"shards --at noon", nil, 2, "is no time", ""},
		{"nodes --round-trips", map[string][]any{"GET /_nodes/roundtrips": {[]admin.RoundTrips{{Node: "n1", To: []admin.RoundTrip{{Node: "n2", Micros: 180}}}, {Node: "n2", To: []admin.RoundTrip{{Node: "n1", Problem: "no answer within 1s"}}}}}}, 0,
			"FROM  n1  n2\nn1    -   180µs\nn2    !   -\nn2 to n1: no answer within 1s\n", ""},
		{"drain n2", map[string][]any{"POST /_nodes/n2/drain": {done}, "GET /_nodes": {[]admin.Node{}, []admin.Node{{Name: "n2", Copies: 2}}, []admin.Node{{Name: "n2", Copies: 1}}, []admin.Node{{Name: "n2"}}}}, 0,
			"drain: 2 copies left on n2\ndrain: 1 copy left on n2\n", ""},
		{"drain n2 --no-wait", map[string][]any{"POST /_nodes/n2/drain": {done}, "GET /_nodes": {[]admin.Node{{Name: "n2", Copies: 7}}}}, 0, "drain of n2 has begun: 7 copies to go; ", ""},
		{"drain n2 --no-wait", map[string][]any{"POST /_nodes/n2/drain": {done}, "GET /_nodes": {[]admin.Node{{Name: "n2"}}}}, 0, "n2 is drained\n", "POST /_nodes/n2/drain"},
		{"drain n2 --timeout 1ms", map[string][]any{
			"POST /_nodes/n2/drain": {done}, "GET /_nodes": {[]admin.Node{{Name: "n2", Copies: 1}}}, "GET /_cluster/state": {admin.State{Shards: []admin.Row{
				{Shard: "a/2", Copies: []admin.RowCopy{{Copy: "c1", Node: "n2"}, {Copy: "c2", Node: "n1", Source: "c1"}}}, {Shard: "a/3", Copies: []admin.RowCopy{{Copy: "c3", Node: "n2"}}}}}},
			"GET /_cluster/allocation/explain": {admin.ExplainAnswer{Nodes: []admin.ExplainedNode{{Node: "n1", Verdicts: []admin.Verdict{{Question: "allocate", Decision: "no", Reason: "it holds c7"}}}}}},
		}, 4, "1 copy left on n2 after 1ms; of shard a/3 no other copy is begun (troupe explain a/3 says more):\n  n1: it holds c7\nthe draining goes on", ""},
		{"drain n2 --timeout 1ms", map[string][]any{
			"POST /_nodes/n2/drain": {done}, "GET /_nodes": {[]admin.Node{{Name: "n2", Copies: 1}}}, "GET /_cluster/state": {admin.State{Shards: []admin.Row{{Shard: "a/3", Copies: []admin.RowCopy{{Copy: "c3", Node: "n2"}}}}}},
			"GET /_cluster/allocation/explain": {admin.ExplainAnswer{Shard: admin.Row{Copies: []admin.RowCopy{{Node: "n1"}, {Node: "n2", Down: true}}}, Nodes: []admin.ExplainedNode{{Node: "n1", Verdicts: []admin.Verdict{{Question: "allocate", Decision: "no", Reason: "it holds c7"}}}}}},
		}, 4, "1 copy left on n2 after 1ms; it is down, and its copies are waited for before they are replaced (cluster.routing.allocation.node_left.delayed_timeout): if it does not come back, troupe forget n2 has them built elsewhere at once\nthe draining", ""},
		{"drain n2 --timeout 0s", map[string][]any{"POST /_nodes/n2/drain": {done}, "GET /_nodes": {[]admin.Node{}, []admin.Node{{Name: "n2", Copies: 2}}, []admin.Node{{Name: "n2"}}}}, 4, "2 copies left on n2 after 0s\nthe draining goes on", ""},
		{"drain n2 --timeout 0s", map[string][]any{"POST /_nodes/n2/drain": {done}, "GET /_nodes": {[]admin.Node{{Name: "n2"}}}}, 0, "n2 is drained\n", ""},
		{"drain n2", map[string][]any{"POST /_nodes/n2/drain": {done}, "GET /_nodes": {[]admin.Node{}, []admin.Node{{Name: "n2", Copies: 1}}, []admin.Node{{Name: "n2"}}},
			"GET /_cat/recovery": {[]map[string]string{{"type": "relocation", "bytes_recovered": "1048576", "bytes_total": "2097152", "ops_recovered": "7"}, {"type": "copy", "bytes_recovered": "5"}}}}, 0,
			"drain: 1 copy left on n2; 1 copy on the way, 7 operations, 1.00 MiB of 2.00 MiB\n", ""},
		{"drain n2 --cancel", map[string][]any{"POST /_nodes/n2/undrain": {same}}, 0, "n2 may have copies again (as it was)\n", ""},
		{"drain n9", nil, 3, "no such thing", ""},
		{"forget n2", map[string][]any{"POST /_nodes/n2/forget": {done}}, 0, "n2 is forgotten\n", ""},
		{"maintenance n2 on", map[string][]any{"POST /_nodes/n2/maintenance": {done}}, 0, "maintenance of n2 is on\n", "enabled=true"},
		{"maintenance --cluster off", map[string][]any{"POST /_cluster/maintenance": {done}}, 0, "maintenance of the cluster is off\n", "enabled=false"},
		{"reroute --dry-run", map[string][]any{"POST /_cluster/reroute": {planned}}, 0, "SHARD     MOVE      NODE      REASON\norders/3  relocate  n1 -> n3  even spread\norders/4  waits     -         the node may come back\n" +
			"1 move planned; nothing was changed (cluster state version 9)\n", `?dry_run=true {"commands":[]}`},
		{"reroute --retry-failed", map[string][]any{"POST /_cluster/reroute": {admin.RerouteAnswer{}}}, 0, "nothing to move", "retry_failed=true"},
		{"reroute move orders/3 n1 n3", map[string][]any{"POST /_cluster/reroute": {refused}}, 4, "MAY       VERDICT  DECIDER    REASON\nallocate  no       same_node  it holds c7\nnothing was changed (cluster state version 0)\n", `{"commands":[{"move":{"keyspace":"orders","shard":3,"from_node":"n1","to_node":"n3"}}]}`},
		{"reroute allocate-stale orders/3 n3 --accept-data-loss", map[string][]any{"POST /_cluster/reroute": {planned}}, 0, "planned", `{"allocate_stale":{"keyspace":"orders","shard":3,"node":"n3","accept_data_loss":true}}`},
		{"explain orders/3", map[string][]any{"GET /_cluster/allocation/explain": {admin.ExplainAnswer{Shard: row3, Refuses: "the disk of node n2 is full"}}}, 0, "\nwrites that grow are refused: the disk of node n2 is full\nNODE ", ""},
		{"explain orders/3 n1", map[string][]any{"GET /_cluster/allocation/explain": {explained}}, 0, "orders/3 term 4: n1 primary, n3 recovering for c1, n2 failed, n4 in sync\nit lacks a copy\n" +
			"NODE  COPY  MAY       VERDICT       DECIDER AND REASON\nn1    c1              holds a copy\n            remain    no            draining: node n1 is draining\n            promote   yes           alive\n" +
			"            allocate  no            same_node: it holds c1\nn5    -               THROTTLE\n            allocate  yes           same_node\n            start     throttle      throttling: 2 are coming\n" +
			"            score     1.25          few (in copies; the lowest is preferred)\n", "keyspace=orders&node=n1&shard=3"},
		{"explain orders/3", map[string][]any{"GET /_cluster/allocation/explain": {explained}}, 0,
			"n1    c1            holds a copy\n            remain  no            draining: node n1 is draining\nn5    -             THROTTLE\n            start   throttle      throttling: 2 are coming\n" +
				"            score   1.25          few (in copies; the lowest is preferred)\n2 answers are a plain yes; --all prints them\n", "keyspace=orders&shard=3"},
		{"explain orders/3 n2", map[string][]any{"GET /_cluster/allocation/explain": {admin.ExplainAnswer{Shard: admin.Row{Shard: "orders/3", Term: 4, Copies: []admin.RowCopy{{Copy: "c8", Node: "n2", Down: true}, {Copy: "c9", Node: "n1", InSync: true, Down: true}}},
			Nodes: []admin.ExplainedNode{{Node: "n2", Decision: "no", Copy: &admin.RowCopy{Copy: "c8", Down: true}}}}}}, 0, "orders/3 term 4: n2 down, n1 in sync down\nit has what it needs, and the next plan does nothing with it\n" +
			"NODE  COPY  MAY  VERDICT              DECIDER AND REASON\nn2    c8         is down with a copy\n", ""},
		{"settings get", map[string][]any{"GET /_cluster/settings": {set}}, 0, "SETTING  VALUE  FROM  ABOUT\na.b      x      set\n", ""},
		{"settings get --all", map[string][]any{"GET /_cluster/settings": {set}}, 0, "c.d      5      default  how many\n", ""},
		{"settings get c.d", map[string][]any{"GET /_cluster/settings": {set}}, 0, "5\n", ""},
		{"settings get none", map[string][]any{"GET /_cluster/settings": {set}}, 3, "no setting", ""},
		{"settings get .D", map[string][]any{"GET /_cluster/settings": {set}}, 0, "SETTING  VALUE  FROM     ABOUT\nc.d      5      default  how many\n", ""},
		{"settings history", map[string][]any{"GET /_cluster/settings/history": {admin.SettingHistory{Changes: []admin.SettingChange{{Version: 9, By: "ann (::1) at n1", Name: "a.b", To: &given}}}}}, 0, "  9      a.b      default → y  ann (::1) at n1\n", ""},
		{"settings history a.b", map[string][]any{"GET /_cluster/settings/history": {admin.SettingHistory{}}}, 0, "no change of a setting is remembered\n", "name=a.b"},
		{"settings set a.b=y c.d=", map[string][]any{"PUT /_cluster/settings": {done}}, 0, "2 settings changed\n", `{"persistent":{"a.b":"y","c.d":null}}`},
		{"keyspace create orders:shards=3,replicas=0,eviction=allkeys-lru,max-memory=1mb", map[string][]any{"PUT /_keyspace/orders": {done}}, 0, "keyspace orders is made\n",
			`/_keyspace/orders?if=absent {"shards":3,"replicas":0,"max_memory":1048576,"eviction":"allkeys-lru"}`},
		{"keyspace update orders:replicas=2", map[string][]any{"PUT /_keyspace/orders": {done}}, 0, "keyspace orders is changed\n", `if=present {"replicas":2}`},
		{"keyspace list", map[string][]any{"GET /_keyspaces": {[]admin.KeyspaceInfo{{Name: "a", Shards: 16, Replicas: 1, MinInSync: 1, Durability: "fsync", Eviction: "noeviction", Keys: 7, Bytes: 2048}}}}, 0,
			"a         16      1         1            fsync       none        noeviction  7     2.00 KiB\n", ""},
		{"check", map[string][]any{"POST /_cluster/check": {admin.CheckAnswer{OK: true, Shards: 16, Nodes: []admin.NodeCheck{{Node: "n1", OK: true, Leader: "n1", Version: 3, Micros: 250}}}}}, 0,
			"n1    n1      3      250µs        ok\n16 of 16 shards written, read and deleted\n", "timeout=10s"},
		{"check", map[string][]any{"POST /_cluster/check": {admin.CheckAnswer{Shards: 4, Leader: "n1", Problems: []admin.ShardCheck{
			{Shard: "a/1", Problem: "write: no primary of a/1 for 12s"}, {Shard: "a/2", Problem: "read: gone"}, {Shard: "a/3", Problem: "write: no primary of a/3 for 7s"}}}}}, 4,
			"2 shards: write: no primary of a/1 for 12s\n  a/1, a/3\nshard a/2: read: gone\n1 of 4 shards", ""},
		{"check", map[string][]any{"POST /_cluster/check": {admin.CheckAnswer{Shards: 1}}}, 4, "no placement leader is known: a majority", ""},
		{"check", map[string][]any{"POST /_cluster/check": {admin.CheckAnswer{Shards: 2, Problems: []admin.ShardCheck{{Shard: "a/1", Problem: "write: no primary"}}}}}, 4, "shard a/1: write: no primary\n1 of 2 shards", ""},
	} {
		if c.answers == nil {
			c.answers = map[string][]any{}
		}
		addr, node := record(t, c.answers)
		out, errs, code := invoke(t, map[string]string{"TROUPE_ADDR": addr}, "", strings.Fields(c.line)...)
		if code != c.code || !strings.Contains(out+errs, c.want) && !strings.Contains(errs+out, c.want) {
			t.Errorf("troupe %s: exit code %d, want %d and\n%s\ngot\n%s%s", c.line, code, c.code, c.want, out, errs)
		}
		if !node.has(c.asked) {
			t.Errorf("troupe %s did not ask %s, but %q", c.line, c.asked, node.asked)
		}
	}
}

func TestWatchesPrintWhatChanges(t *testing.T) {
	first := admin.Routing{Version: 9, Leader: "n1", Whole: true, Shards: []admin.Row{row3}}
	addr, _ := record(t, map[string][]any{"GET /_watch/routing": {first}, "GET /_watch/health": {green}})
	for line, want := range map[string]string{
		"watch routing":       "v9  leader n1\nv9  orders/3 term 4: n1 primary",
		"watch health":        "green  cluster troupe",
		"health --watch":      "green  cluster troupe",
		"watch health --json": `"status":"green"`,
	} {
		out := &firstLines{want: want, seen: make(chan struct{})}
		ctx, stop := contextUntil(t, out.seen)
		c := &console{in: strings.NewReader(""), out: out, err: io.Discard, env: func(string) (string, bool) { return "", false }}
		if code := run(ctx, c, append(strings.Fields(line), "--addr", addr)); code != 0 {
			t.Errorf("troupe %s: exit code %d\n%s", line, code, out.String())
		}
		stop()
		if n := strings.Count(out.String(), "cluster troupe"); n > 1 {
			t.Errorf("troupe %s says the same %d times", line, n)
		}
	}
}

// The verbs on a node that is a cluster of its own.
func TestClusterVerbsOnANode(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	lines := filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(lines, []byte("k\tw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startNode(t, filepath.Join(t.TempDir(), "data"), "--name", "n1", "--attr", "zone=a", "--replicas", "0")
	for _, c := range []struct {
		line string
		code int
		want string
	}{
		{"health --wait green", 0, "green  cluster troupe, leader n1, 1 node, 16 of 16 copies in sync"},
		{"nodes", 0, "NODE  ROLES  LEADS  STATE  COPIES  PRI  KEYS  MEMORY  "},
		{"nodes", 0, "\nn1    dm     *      alive  16      16   0     "},
		{"nodes --wide", 0, "  PEER  VOTES  RELEASE\n"},
		{"nodes --json", 0, `"attributes":{"zone":"a"}`},
		{"shards", 0, "default/15  p    started  n1"},
		{"leader", 0, "n1\n"},
		{"check", 0, "16 of 16 shards written, read and deleted"},
		{"settings set cluster.coverage=full", 0, "1 setting changed"},
		{"settings get cluster.coverage", 0, "full\n"},
		{"settings set cluster.coverage=much", 2, "must be one of partial, full"},
		{"settings set cluster.coverage=", 0, "1 setting changed"},
		{"keyspace create orders:shards=2,replicas=0,durability=memory", 0, "keyspace orders is made"},
		{"keyspace create orders", 4, "is there already"},
		{"keyspace update none:replicas=0", 3, "no keyspace"},
		{"keyspace update orders:shards=8", 2, "the count is fixed"},
		{"put k v --ttl -5s", 2, "must be a duration from 1ms"},
		{"load --lines " + lines + " --ttl -5s", 2, "--ttl -5s is negative"},
		{"watch --from abc", 2, "abc"},
		{"keyspace list", 0, "orders    2       0         1            memory"},
		{"health --wait green", 0, "18 of 18 copies in sync"},
		{"put k v --keyspace orders", 0, "version 1"},
		{"maintenance --cluster on", 0, "maintenance of the cluster is on"},
		{"check", 0, "the cluster is in maintenance"},
		{"put k w --keyspace orders", 1, "read only: "},
		{"put k w --keyspace orders", 1, "until an operator ends it (troupe maintenance --cluster off)"},
		{"del k --keyspace orders", 1, "read only: "},
		{"del --prefix k --keyspace orders --yes", 1, "read only: "},
		{"load --lines " + lines + " --keyspace orders --patience 1h --restart", 1, "read only: "},
		{"maintenance --cluster off", 0, "maintenance of the cluster is off"},
		{"get k --keyspace orders", 0, "v"},
		{"maintenance n1 on", 0, "maintenance of n1 is on"},
		{"nodes", 0, "alive,maintenance"},
		{"maintenance n1 off", 0, "maintenance of n1 is off"},
		{"reroute --dry-run", 0, "nothing to move"},
		{"explain", 3, "every shard is green"},
		{"explain default/0", 0, "default/0 term 1: n1 primary"},
		{"vote n1 off", 1, "without node n1 nobody could vote"},
		{"forget n1", 1, "n1"},
		{"forget n7", 3, "there are n1"},
	} {
		out, errs := r.at(t, c.code, "", strings.Fields(c.line)...)
		if !strings.Contains(out+errs, c.want) {
			t.Errorf("troupe %s says\n%s%s\nwant %q", c.line, out, errs, c.want)
		}
	}
}

func TestLiveLine(t *testing.T) {
	var plain, screen strings.Builder
	for _, l := range []*liveLine{{out: &plain}, {out: &screen, terminal: true}} {
		l.say("before")
		l.set("green")
		l.set("green")
		l.say("n1 died")
		l.set(strings.Repeat("x", 200))
	}
	if got := plain.String(); strings.Count(got, "green\n") != 1 || !strings.Contains(got, "n1 died\n") || strings.Contains(got, "\x1b") {
		t.Errorf("plain: %q", got)
	}
	lines := strings.Split(screen.String(), "\r\x1b[K")
	if got := screen.String(); strings.Count(got, "green") != 2 || !strings.Contains(got, "\r\x1b[Kn1 died\n\r\x1b[K") || utf8.RuneCountInString(lines[len(lines)-1]) != 79 {
		t.Errorf("on a terminal: %q", got)
	}
}

// firstLines is standard output; seen is closed when it holds want.
type firstLines struct {
	safeBuffer
	want string
	seen chan struct{}
	once sync.Once
}

func (f *firstLines) Write(p []byte) (int, error) {
	n, err := f.safeBuffer.Write(p)
	if strings.Contains(f.String(), f.want) {
		f.once.Do(func() { close(f.seen) })
	}
	return n, err
}

// contextUntil ends when seen is closed, as with Ctrl-C.
func contextUntil(t *testing.T, seen <-chan struct{}) (context.Context, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-seen:
		case <-ctx.Done():
		}
		cancel()
	}()
	return ctx, func() { cancel(); <-ended }
}
