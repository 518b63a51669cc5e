package admin

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// What a path about the cluster answers, in order: some change what later ones see.
func TestClusterRoutes(t *testing.T) {
	m := newMemory()
	m.cluster = newAgreed(t)
	s := NewServer(m, ServerConfig{Dev: true})
	for _, c := range []struct {
		method, target, body string
		status               int
		want                 string // within the body
	}{
		{"GET", "/", "", 200, `"cluster_uuid":"` + string(nodeID(1)) + `"`},
		{"GET", "/_cluster/health", "", 200, `"status":"green"`},
		{"GET", "/_cluster/health", "", 200, `"leader":"n1"`},
		{"GET", "/_cluster/health", "", 200, `"number_of_nodes":3,"number_of_data_nodes":3,"active_primary_shards":2,"active_shards":4`},
		{"GET", "/_nodes", "", 200, `"attributes":{"zone":"b"},"state":"alive","copies":2,"primaries":1}`},
		{"GET", "/_cluster/state", "", 200, `"shard":"default/1","id":1,"term":1`},
		{"GET", "/_cluster/state", "", 200, `"voters":["n1"]`},

		{"GET", "/_cluster/settings", "", 200, `"persistent":{}}`},
		{"GET", "/_cluster/settings?include_defaults", "", 200, `"cluster.routing.allocation.enable":"all"`},
		{"PUT", "/_cluster/settings", `{"persistent":{"cluster.routing":{"allocation.enable":"none","rebalance":{"enable":"none"}}}}`, 200, `"acknowledged":true,"changed":true`},
		{"GET", "/_cluster/settings", "", 200, `"persistent":{"cluster.routing.allocation.enable":"none","cluster.routing.rebalance.enable":"none"}`},
		{"PUT", "/_cluster/settings", `{"persistent":{"cluster.routing.allocation.enable":null,"cluster.routing.allocation.max_retries":7}}`, 200, `"changed":true`},
		{"GET", "/_cluster/settings/history?name=retries", "", 200, `"by":"somebody (`},
		{"GET", "/_cluster/settings/history?name=retries", "", 200, `) at n1","name":"cluster.routing.allocation.max_retries","from":null,"to":"7"}]}`},
		{"GET", "/_cluster/settings/history", "", 200, `"name":"cluster.routing.allocation.enable","from":"none","to":null}`},
		{"PUT", "/_cluster/settings", `{"persistent":{"cluster.routing.allocation.enable":"none","cluster.routing":{"allocation.enable":"all"}}}`, 400, `setting \"cluster.routing.allocation.enable\" is there twice`},
		{"PUT", "/_cluster/settings", `{"persistent":{"cluster.routing.allocation.enable":"perhaps"}}`, 400, "must be one of all, primaries"},
		{"PUT", "/_cluster/settings", `{"persistent":{"cluster.routing.allocation.enabled":"all"}}`, 400, "no setting \\\"cluster.routing.allocation.enabled\\\"; nearest are cluster.routing.allocation.enable, "},
		{"PUT", "/_cluster/settings", `{"persistent":{"a":[]}}`, 400, "must be a text, a number"},
		{"PUT", "/_cluster/settings", `{"persistent":{"a":""}}`, 400, "null takes it back"},
		{"PUT", "/_cluster/settings", `{"persistent":` + strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 21), 400, "nested more than 10 deep"},
		{"PUT", "/_cluster/settings", `{"transient":{"a":"b"}}`, 400, `unknown field \"transient\"`},
		{"PUT", "/_cluster/settings", `{"persistent":{"a":"b"}} {}`, 400, "something behind"},
		{"PUT", "/_cluster/settings", `{"persistent":{"cluster.voter_grace":"1s"}}`, 400, "nearest are cluster.voters.grace, "},
		{"PUT", "/_cluster/settings", ``, 400, "no setting is given"},
		{"PUT", "/_cluster/settings", strings.Repeat(" ", maxBody+1), 413, "too large"},

		{"PUT", "/_cluster/settings", `{"persistent":{"cluster.routing.allocation.require.zone":"ssd"}}`, 200, `"warnings":["cluster.routing.allocation.require.zone: no node that holds data has zone=ssd: no copy can`},
		{"PUT", "/_cluster/settings", `{"persistent":{"cluster.routing.allocation.require.zone":null}}`, 200, `"version":`},
		{"PUT", "/_cluster/settings", `{"persistent":{"keyspace.none.routing.allocation.enable":"all"}}`, 200, `there is no keyspace \"none\"`},
		{"PUT", "/_cluster/settings", `{"persistent":{"keyspace.none.routing.allocation.enable":null}}`, 200, `"version":`},
		{"PUT", "/_cluster/settings", `{"persistent":{"cluster.routing.allocation.disk.watermark.low":"95%"}}`, 400, "watermark.low would be 95%, beyond cluster.routing.allocation.disk.watermark.high, which is 90%"},
		{"PUT", "/_cluster/settings", `{"persistent":{"cluster.routing.replace":{"n1":"n2","n2":"n1"}}}`, 400, "n1 is replaced by n2 is replaced by n1"},
		{"PUT", "/_cluster/settings", `{"persistent":{"cluster.routing.allocation.disk.watermark.low":"80%"}}`, 200, `"changed":true`},
		{"GET", "/_cluster/settings?include_defaults", "", 200, `"cluster.routing.allocation.disk.watermark.low.max_headroom":"-1"`},
		{"PUT", "/_cluster/settings", `{"persistent":{"cluster.routing.allocation.disk.watermark.low":null}}`, 200, `"changed":true`},

		{"PUT", "/_keyspace/orders?if=absent", `{"shards":3,"replicas":2,"durability":"memory"}`, 200, `"acknowledged":true`},
		{"PUT", "/_keyspace/orders?if=absent", `{}`, 409, "is there already"},
		{"GET", "/_keyspace/orders", "", 200, `"shards":3,"durability":"memory","max_memory":0,"eviction":"noeviction","replicas":2,"min_in_sync":2`},
		{"PUT", "/_keyspace/orders", `{"replicas":-1}`, 400, "-1 replicas; must be 0 to 15"},
		{"PUT", "/_keyspace/orders", `{"replicas":1,"min_in_sync":1,"replicas":3}`, 400, `\"replicas\" is there twice`},
		{"GET", "/_keyspace/orders", "", 200, `"replicas":2`},
		{"PUT", "/_cluster/settings", `{"persistent":{"cluster.voters.grace":"5s","cluster.voters.grace":"6s"}}`, 400, `\"cluster.voters.grace\" is there twice`},
		{"PUT", "/_keyspace/orders?if=present", `{"replicas":0}`, 200, `"changed":true`},
		{"GET", "/_keyspace/orders", "", 200, `"replicas":0,"min_in_sync":1`},
		{"PUT", "/_keyspace/orders", `{"shards":4}`, 400, "the count is fixed"},
		{"PUT", "/_keyspace/orders", `{"durability":"fsync"}`, 400, "memory"},
		{"PUT", "/_keyspace/orders", `{"eviction":"allkeys-lru"}`, 400, "does nothing without a limit"},
		{"PUT", "/_keyspace/orders", `{"min_in_sync":3}`, 400, "must be 1 to 1"},
		{"PUT", "/_keyspace/none?if=present", `{}`, 404, "no keyspace"},
		{"PUT", "/_keyspace/A", `{}`, 400, "a-z"},
		{"PUT", "/_keyspace/zero", `{"shards":0}`, 400, "must be 1 to 16384"},
		{"PUT", "/_keyspace/orders", `{"shard":4}`, 400, "unknown field"},
		{"GET", "/_keyspace/scan", ``, 404, `no keyspace \"scan\"`},
		{"GET", "/_cluster/health", "", 200, `"status":"red"`},
		{"GET", "/_cluster/health", "", 200, `{"shard":"orders/0","status":"red","reason":"it has never been allocated; troupe explain orders/0 says which rule or policy is in the way"}`},
		{"GET", "/_cluster/allocation/explain", "", 200, `"explanation":"orders/0 term 0: no copy"`},
		{"GET", "/_cluster/losses", "", 200, `{"losses":[{"node":"n2","summary":"3 of its copies would have no place","lasting":true,"copies":9,"unserved":2,"single":2,"unplaceable":4,"few":1,"fullest_node":"n1","fullest_used_percent":120,"fullest_in":"cpu","at":0}],"waiting":["n3"]}`},
		{"POST", "/_cluster/losses", "", 405, "use GET"},

		{"POST", "/_nodes/n2/drain", "", 200, `"changed":true`},
		{"POST", "/_nodes/n2/drain", "", 200, `"changed":false`},
		{"GET", "/_cat/nodes?h=name,state", "", 200, "n2 alive,draining\n"},
		{"POST", "/_nodes/n2/undrain", "", 200, `"changed":true`},
		{"POST", "/_nodes/" + string(nodeID(3)) + "/maintenance", "", 200, `"changed":true`},
		{"POST", "/_nodes/n3/maintenance?enabled=false", "", 200, `"changed":true`},
		{"POST", "/_nodes/n3/maintenance?enabled=perhaps", "", 400, "true or false"},
		{"POST", "/_nodes/n3/exclude", "", 200, `"changed":true`},
		{"POST", "/_nodes/n3/include", "", 200, `"changed":true`},
		{"POST", "/_nodes/n3/forget", "", 400, "drain it first"},
		{"POST", "/_nodes/n9/drain", "", 404, `no node \"n9\"; there are n1, n2, n3`},
		{"POST", "/_nodes/n3/explode", "", 404, "no such path"},
		{"GET", "/_nodes/n3/drain", "", 405, "use POST"},

		{"POST", "/_cluster/maintenance", "", 200, `"changed":true`},
		{"GET", "/_cluster/health", "", 200, `"read_only":true`},
		{"POST", "/_cluster/check", "", 200, `"shards":0,"problems":[],"read_only":true`},
		{"POST", "/_cluster/maintenance?enabled=false", "", 200, `"changed":true`},

		{"POST", "/_cluster/leader?node=n2", "", 200, `"acknowledged":true`},
		{"POST", "/_cluster/leader?node=n7", "", 404, "no node"},
		{"GET", "/_cat/leader?h=node,term", "", 200, "n2 4\n"},

		{"POST", "/_dev/cut", `{"nodes":["n2","n3"],"direction":"in"}`, 200, `"acknowledged":true`},
		{"POST", "/_dev/cut", `{"nodes":["n1"]}`, 400, "from itself"},
		{"POST", "/_dev/cut", `{"direction":"out"}`, 400, "both or in"},
		{"POST", "/_dev/cut", `[]`, 400, "not what is expected"},
		{"GET", "/_dev/cut", ``, 405, "use POST"},
	} {
		w := ask(s, c.method, c.target, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %.60s %.60s: %d %.900s, want %d with %s", c.method, c.target, c.body, w.Code, w.Body, c.status, c.want)
		}
	}
	if c := m.cluster; len(c.cutFrom) != 2 || c.cutFrom[1] != nodeID(3) || c.cutBoth {
		t.Errorf("cut off from %v, both ways %v", c.cutFrom, c.cutBoth)
	}
	if w := ask(s, "POST", "/_dev/heal", ""); w.Code != 200 || m.cluster.cutFrom != nil {
		t.Errorf("heal: %d, still cut off from %v", w.Code, m.cluster.cutFrom)
	}
	if w := ask(s, "POST", "/_dev/cut", ""); w.Code != 200 || len(m.cluster.cutFrom) != 2 || !m.cluster.cutBoth {
		t.Errorf("cut off from all: %d, %v", w.Code, m.cluster.cutFrom)
	}
}

func TestDevPathsNeedTheSwitch(t *testing.T) {
	m := newMemory()
	m.cluster = newAgreed(t)
	s := NewServer(m, ServerConfig{})
	for _, path := range []string{"/_dev/cut", "/_dev/heal"} {
		if w := ask(s, "POST", path, ""); w.Code != 404 || m.cluster.cutFrom != nil {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestPathsThatNeedACluster(t *testing.T) {
	alone, waiting := newMemory(), newMemory()
	waiting.cluster = &agreed{state: &cluster.State{}}
	for want, s := range map[string]*Server{"without a cluster": NewServer(alone, ServerConfig{}), "let into": NewServer(waiting, ServerConfig{})} {
		for _, target := range []string{
			"GET /_cluster/state", "GET /_cluster/settings", "PUT /_keyspace/a", "POST /_nodes/n1/drain", "POST /_cluster/reroute", "GET /_watch/health",
			"POST /_cluster/check", "POST /_cluster/maintenance",
		} {
			method, path, _ := strings.Cut(target, " ")
			if w := ask(s, method, path, ""); w.Code != 503 || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: %d %s, want 503 with %q", target, w.Code, w.Body, want)
			}
		}
	}
	if w := ask(NewServer(waiting, ServerConfig{}), "GET", "/_cluster/health", ""); !strings.Contains(w.Body.String(), `"status":"red"`) {
		t.Errorf("a node that waits to be let in: %s", w.Body)
	}
	if w := ask(NewServer(alone, ServerConfig{}), "GET", "/_keyspace/default", ""); w.Code != 200 {
		t.Errorf("a keyspace of a node alone: %d %s", w.Code, w.Body)
	}
}

func TestReroute(t *testing.T) {
	m := newMemory()
	m.cluster = newAgreed(t)
	s := NewServer(m, ServerConfig{})
	move := `{"move":{"keyspace":"default","shard":0,"from_node":"n1","to_node":"n3"}}`
	for _, c := range []struct {
		target, commands string
		status           int
		want             string
	}{
		{"?dry_run", move, 200, `{"acknowledged":false,"dry_run":true,"version":9,"moves":[{"shard":"default/0","move":"relocate","node":"n3","source":"n1","reason":"an operator asked for it"}],"refused":[],"waiting":[]}`},
		{"?dry_run", strings.Replace(move, "n1", "n3", 1), 200, `"refused":[{"command":0,"reason":"there is no such copy"}]`},
		{"?dry_run&explain", strings.Replace(move, "n1", "n3", 1), 200, `"decisions":[{"question":"allocate","decider":"same_node","decision":"no","explanation":"a copy of the shard is there already"}]`},
		{"", move + "," + strings.Replace(move, `:0`, `:2`, 1), 404, "command 1: no shard default/2; keyspace default has shards 0 to 1"},
		{"", strings.Replace(move, "default", "none", 1), 404, "no keyspace"},
		{"", `{}`, 400, "a command has one name"},
		{"", `{"move":{"keyspace":"default","node":"n1"}}`, 400, "not node"},
		{"", `{"cancel":{"keyspace":"default","from_node":"n1"}}`, 400, "cancel takes node"},
		{"", `{"cancel":{"keyspace":"default","node":"n8"}}`, 404, "no node"},
		{"", `{"swap":{"keyspace":"default","node":"n1"}}`, 400, "there are move, cancel, promote"},
		{"", `{"swap":{"keyspace":"none","node":"n1"}}`, 400, "there are move, cancel, promote"},
		{"", `{"allocate_empty":{"keyspace":"default","node":"n1"}}`, 400, "accept_data_loss"},
		{"", `{"cancel":{"keyspace":"default","node":"n1","accept_data_loss":true}}`, 400, "loses no data"},
		{"", `{"move":1}`, 400, "not what is expected"},
		{"?retry_failed", "", 200, `"moves":[]`},
		{"", `{"allocate_stale":{"keyspace":"default","shard":1,"node":"n2","accept_data_loss":true}}`, 200, `"refused":[{"command":0`},
		{"", move, 200, `"acknowledged":true,"dry_run":false,"version":10`},
	} {
		w := ask(s, "POST", "/_cluster/reroute"+c.target, `{"commands":[`+c.commands+`]}`)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: %d %s, want %d with %s", c.target, c.commands, w.Code, w.Body, c.status, c.want)
		}
	}
	if w := ask(s, "POST", "/_cluster/reroute", `{"commands":[`+strings.Repeat("{},", maxCommands)+`{}]}`); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("too many commands: %d", w.Code)
	}
	ask(s, "POST", "/_cluster/reroute?retry_failed&explain", "")
	if asked := m.cluster.asked; !asked.RetryFailed || !asked.Explain || asked.DryRun || len(asked.Commands) != 0 {
		t.Errorf("%+v", asked)
	}
}

func TestExplain(t *testing.T) {
	m := newMemory()
	m.cluster = newAgreed(t)
	s := NewServer(m, ServerConfig{})
	for target, want := range map[string]string{
		"/_cluster/allocation/explain":                                   "every shard is green",
		"/_cluster/allocation/explain?keyspace=default":                  "come together",
		"/_cluster/allocation/explain?keyspace=default&shard=2":          "no shard default/2",
		"/_cluster/allocation/explain?keyspace=default&shard=x":          "must be a number",
		"/_cluster/allocation/explain?keyspace=default&shard=1&node=n9":  "no node",
		"/_cluster/allocation/explain?keyspace=default&shard=1&node=n3&": `"node_allocation_decisions":[{"node_name":"n3","node_decision":"yes","copy":{"copy":"c4","node":"n3","in_sync":true,"started":true},"deciders":[{"question":"allocate","decider":"enable","decision":"yes","explanation":"all copies may be allocated"}]}]`,
		"/_cluster/allocation/explain?keyspace=default&shard=0":          `"explanation":"default/0 term 1: c1@n1 primary`,
	} {
		if w := ask(s, "GET", target, ""); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want %s", target, w.Code, w.Body, want)
		}
	}
	if w := ask(s, "POST", "/_cluster/allocation/explain", `{"keyspace":"default","shard":0,"node":"n1"}`); w.Code != 200 || strings.Contains(w.Body.String(), `"node_name":"n2"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A dead node's copies show in every table and in the health, with the reason.
func TestTablesOfACluster(t *testing.T) {
	m := newMemory()
	m.cluster = newAgreed(t)
	s := NewServer(m, ServerConfig{})
	m.cluster.move(t, 0, cluster.Move{Kind: cluster.MoveAllocate, Node: nodeID(3), Source: m.cluster.state.Shard(0).Primary, Reason: "balance"})
	m.cluster.kill(t, 2)
	m.cluster.evidence.Members[nodeID(2)] = Liveness{State: Suspect, Reason: "its connection broke"}
	m.cluster.evidence.Members[nodeID(3)] = Liveness{State: Grey, Reason: "its disk is slow",
		Load: &Load{CPU: 3, CPUCapacity: 4, Memory: 50, MemoryCapacity: 100, Disk: 1 << 10, DiskCapacity: 4 << 10}}
	for target, want := range map[string]string{
		"/_cat/shards?v&h=keyspace,shard,prirep,state,docs,node,copy,insync": "keyspace shard prirep state        docs node copy insync\n" +
			"default      0 p      RELOCATING     10 n1   c1   *\n" +
			"default      0 r      INITIALIZING   10 n3   c5   -\n" +
			"default      0 r      UNASSIGNED      0 n2   c6   -\n" +
			"default      1 p      UNASSIGNED      0 -    -    -\n" +
			"default      1 r      STARTED        11 n3   c4   *\n" +
			"default      1 r      UNASSIGNED      0 n2   c7   -\n",
		"/_cat/shards?h=shard,node,seq,hash&s=node,shard": "1 -   0 0000000000000000\n0 n1 42 0000000000000abc\n0 n2  0 0000000000000000\n" +
			"1 n2  0 0000000000000000\n0 n3 42 0000000000000abc\n1 n3 42 0000000000000abc\n",
		"/_cat/recovery?v": "keyspace shard copy type       stage    time source_node target_node bytes_recovered bytes_total bytes_percent ops_recovered\n" +
			"default      0 c5   relocation snapshot 1.5s n1          n3                     512b         2kb         25.0%             5\n",
		"/_cat/allocation?v": "shards pri init docs.count store.size disk.percent host node       node.role state\n" +
			"     1   1    0         10        2kb            - here n1         dm        alive\n" +
			"     2   0    0          0         0b            - here n2         dm        dead\n" +
			"     2   0    1         21        4kb           25 here n3         dm        grey\n" +
			"     1   1    0          0         0b            - -    UNASSIGNED -         -\n",
		"/_cat/allocation?h=node,disk.used,disk.avail,disk.total": "n1           -   -   -\nn2           -   -   -\nn3         1kb 3kb 4kb\nUNASSIGNED   -   -   -\n",
		"/_cat/nodes?h=name,cpu,ram.percent,disk.used_percent":    "n1  -  -  -\nn2  -  -  -\nn3 75 50 25\n",
		"/_cat/nodes?v&h=name,state,reason,voter,attributes": "name state reason               voter attributes\n" +
			"n1   alive -                    *     zone=a\nn2   dead  its connection broke -     zone=b\nn3   grey  its disk is slow     -     zone=c\n",
		"/_cat/keyspaces?h=health,keyspace,pri,rep":                        "red default 2 1\n",
		"/_cat/leader?h=node,term,version":                                 "n1 3 11\n",
		"/_cat/health?h=status,node.total,shards,pri,relo,unassign,leader": "red 3 2 1 1 2 n1\n",
	} {
		if w := ask(s, "GET", target, ""); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d\n%s\nwant\n%s", target, w.Code, w.Body, want)
		}
	}
	m.cluster.evidence.Voters = []uint64{1, 3}
	if w := ask(s, "GET", "/_cat/nodes?h=name,voter", ""); w.Body.String() != "n1 *\nn2 -\nn3 *\n" {
		t.Errorf("those that vote, not those that shall:\n%s", w.Body)
	}
	h := NewServer(m, ServerConfig{}).judge()
	if h.Status != Red || len(h.Reasons) != 2 || h.Reasons[0].Shard != "default/1" || !strings.Contains(h.Reasons[0].Reason, "will be promoted") ||
		h.Reasons[1].Status != Yellow || !strings.Contains(h.Reasons[1].Reason, "n2, which is down") || len(h.Down) != 1 {
		t.Errorf("%+v", h)
	}
	m.cluster.state.Members[2].Draining, m.cluster.state.Members[0].Maintained = true, true
	if h := NewServer(m, ServerConfig{}).judge(); !slices.Equal(h.Draining, []string{"n3"}) || !slices.Equal(h.Maintained, []string{"n1"}) {
		t.Errorf("an operator left n3 drained and n1 in maintenance: %+v", h)
	}
	m.cluster.mute = nodeID(3)
	if w := ask(s, "GET", "/_cat/shards?h=docs,node&s=node:desc", ""); !strings.HasPrefix(w.Body.String(), " 0 n3\n") {
		t.Errorf("a node that does not answer has no figures:\n%s", w.Body)
	}
}

func TestManyReasonsAreCut(t *testing.T) {
	m := newMemory()
	m.cluster = newAgreed(t)
	k := shards.Keyspace{Name: "many", Shards: maxReasons + 7}
	if err := k.Validate(); err != nil {
		t.Fatal(err)
	}
	m.cluster.apply(t, &cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: k}})
	m.cluster.apply(t, &cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: "cluster.coverage", Value: "full"}}}})
	h := NewServer(m, ServerConfig{}).judge()
	if len(h.Reasons) != maxReasons || h.Unlisted != 7 || len(h.NotServed) != 1 || h.NotServed[0] != "many" {
		t.Errorf("%d reasons, %d unlisted, not served %v", len(h.Reasons), h.Unlisted, h.NotServed)
	}
}

// TestKeyspaceOfTwo: of two operators who change other things of a keyspace at once neither undoes what the other did, and of two who make it one is told
// that it is there.
func TestKeyspaceOfTwo(t *testing.T) {
	m := newMemory()
	m.cluster = newAgreed(t)
	s := NewServer(m, ServerConfig{})
	meanwhile := func(change func(*shards.Keyspace)) {
		k := shards.Keyspace{Name: "orders", Shards: 2}
		if known := m.cluster.state.KeyspaceByName(k.Name); known != nil {
			k = known.Keyspace
		}
		change(&k)
		m.cluster.quicker = &cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: k}}
	}
	meanwhile(func(k *shards.Keyspace) { k.Replicas = 2 })
	if w := ask(s, "PUT", "/_keyspace/orders?if=absent", `{"shards":2}`); w.Code != 409 || !strings.Contains(w.Body.String(), "is there already") {
		t.Errorf("made a moment after another has made it: %d %s", w.Code, w.Body)
	}
	meanwhile(func(k *shards.Keyspace) { k.Replicas = 1 })
	if w := ask(s, "PUT", "/_keyspace/orders", `{"min_in_sync":2}`); w.Code != 200 {
		t.Errorf("changed a moment after another has changed it: %d %s", w.Code, w.Body)
	}
	if k := m.cluster.state.KeyspaceByName("orders"); k.Replicas != 1 || k.MinInSync != 2 {
		t.Errorf("%d replicas, %d in sync: one of the two changes is undone", k.Replicas, k.MinInSync)
	}
	meanwhile(func(k *shards.Keyspace) { k.Replicas, k.MinInSync = shards.NoReplicas, 1 })
	if w := ask(s, "PUT", "/_keyspace/orders", `{"min_in_sync":2}`); w.Code != 400 || !strings.Contains(w.Body.String(), "must be 1 to 1") {
		t.Errorf("what does not fit what another has made of it: %d %s", w.Code, w.Body)
	}
}
