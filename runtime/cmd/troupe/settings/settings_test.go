package settings

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files in testdata")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; -rewrite accepts\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// places makes Places of a flag map, an environment map and a file's content.
func places(flags map[string][]string, env map[string]string, file string) Places {
	return Places{
		Flag:     func(name string) ([]string, bool) { v, ok := flags[name]; return v, ok },
		Env:      func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		File:     []byte(file),
		FileName: "troupe.yaml",
	}
}

func TestFlagBeatsEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	flags := map[string][]string{"name": {"by-flag"}, "keyspace": {"a:durability=memory", "b"}}
	env := map[string]string{"TROUPE_NAME": "by-env", "TROUPE_RESP": "off", "TROUPE_PASSWORD": "secret", "TROUPE_KEYSPACE": "x"}
	file := "# a comment\nname: by-file\nresp: 127.0.0.1:1\nhttp: 127.0.0.1:0\ndisk-reserve: 1gb\ntoken: hidden\nkeyspace: [y, z]\nsync-interval: 250ms\ninsecure: true\n"
	m, err := Merge(places(flags, env, file))
	if err != nil {
		t.Fatal(err)
	}
	n := m.Node
	if n.Name != "by-flag" || n.RESP != "" || n.HTTP != "127.0.0.1:0" || n.Peer != "127.0.0.1:7300" || n.Password != "secret" ||
		n.DiskReserve != 1<<30 || n.SyncInterval != 250*time.Millisecond || !n.Insecure || n.SnapshotSize != 64<<20 || n.MaxClients != 10000 {
		t.Errorf("merged: %+v", n)
	}
	if len(n.Keyspaces) != 2 || n.Keyspaces[0].Durability != shards.DurabilityMemory || n.Keyspaces[1].Name != "b" {
		t.Errorf("keyspaces: %+v", n.Keyspaces)
	}
	var b strings.Builder
	if err := m.WriteYAML(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "check.yaml", b.String())
	if strings.Contains(b.String(), "hidden") || strings.Contains(b.String(), "secret") {
		t.Error("a secret is printed")
	}
}

// What --check prints is itself a configuration file: it merges to the same node.
func TestCheckPrintsAFileThatSaysTheSame(t *testing.T) {
	first, err := Merge(places(map[string][]string{"keyspace": {"c:shards=3,durability=interval,max-memory=3mb,eviction=volatile-ttl"}, "resp": {"off"}}, nil, ""))
	if err != nil {
		t.Fatal(err)
	}
	var a, b strings.Builder
	if err := first.WriteYAML(&a); err != nil {
		t.Fatal(err)
	}
	second, err := Merge(places(nil, nil, a.String()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, a.String())
	}
	if err := second.WriteYAML(&b); err != nil {
		t.Fatal(err)
	}
	plain := func(s string) (lines []string) {
		for line := range strings.Lines(s) {
			line, _, _ = strings.Cut(line, "#")
			lines = append(lines, strings.TrimSpace(line))
		}
		return lines
	}
	if got, want := strings.Join(plain(b.String()), "\n"), strings.Join(plain(a.String()), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Keyspaces that nobody asked for are left to the cluster that there is.
func TestDefaults(t *testing.T) {
	m, err := Merge(places(nil, nil, ""))
	n := m.Node
	if err != nil || len(n.Keyspaces) != 0 || n.Replicas != 1 || n.Redirect != "auto" || strings.Join(n.Roles, " ") != "meta data" {
		t.Errorf("%+v, %v", n, err)
	}
	if n.Tick != 50*time.Millisecond || n.Heartbeat != 100*time.Millisecond || n.Election != 400*time.Millisecond || n.Lease != 1500*time.Millisecond {
		t.Errorf("times %v %v %v %v", n.Tick, n.Heartbeat, n.Election, n.Lease)
	}
	dev, err := Merge(places(map[string][]string{"dev": {"true"}, "replicas": {"0"}}, map[string]string{"TROUPE_ELECTION": "400ms"}, ""))
	if n := dev.Node; err != nil || n.Tick != 20*time.Millisecond || n.Election != 400*time.Millisecond || n.Replicas != shards.NoReplicas {
		t.Errorf("dev: %+v, %v", n, err)
	}
}

func TestWhatConcernsOtherNodes(t *testing.T) {
	flags := map[string][]string{"name": {"n1"}, "initial": {"a:7301,b:7302", "[::1]:7303"}, "attr": {"zone=a", "rack=r=1"}, "roles": {"gateway, meta"}}
	m, err := Merge(places(flags, map[string]string{"TROUPE_ADVERTISE": "n1.example"}, "tls-ca: ca.pem\nhost: box\n"))
	n := m.Node
	if err != nil || strings.Join(n.Initial, " ") != "a:7301 b:7302 [::1]:7303" || n.Attributes["rack"] != "r=1" || n.Attributes["zone"] != "a" ||
		strings.Join(n.Roles, " ") != "meta gateway" || n.Advertise != "n1.example" || n.TLSCA != "ca.pem" || n.Host != "box" {
		t.Errorf("%+v, %v", n, err)
	}
	var b strings.Builder
	if err := m.WriteYAML(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "members.yaml", b.String())
}

func TestErrorsNamePlaceAndFix(t *testing.T) {
	for _, c := range []struct {
		flags map[string][]string
		env   map[string]string
		file  string
		want  []string
	}{
		{file: "name: x\nnmae: y\n", want: []string{"troupe.yaml:2: ", `unknown key "nmae"`, `did you mean "name"?`}},
		{file: "snapshot_bytes: 1\n", want: []string{"troupe.yaml:1: ", `did you mean "snapshot-bytes"?`}},
		{file: "weather: fine\n", want: []string{"known are name, cluster-name, data"}},
		{file: "\n\nname: a\nname: b\n", want: []string{"troupe.yaml:4: ", "first in line 3"}},
		{file: "disk-reserve: lots\n", want: []string{"troupe.yaml:1: disk-reserve: ", "such as 64mb"}},
		{file: "disk-reserve: 1kb\n", want: []string{"troupe.yaml:1: disk-reserve: a reserve of 1 KiB is too small, the least is 64 MiB: before the log gives space back"}},
		{flags: map[string][]string{"disk-reserve": {"67108863"}}, want: []string{"--disk-reserve: a reserve of 67108863 bytes is too small"}},
		{env: map[string]string{"TROUPE_DISK_RESERVE": "999"}, want: []string{"TROUPE_DISK_RESERVE: a reserve of 999 bytes is too small"}},
		{file: "resp:\n", want: []string{"troupe.yaml:1: resp: there is no value"}},
		{file: "resp: [a, b]\n", want: []string{"troupe.yaml:1: resp: one value is expected"}},
		{file: "keyspace:\n  a: b\n", want: []string{"a list is expected"}},
		{file: "keyspace:\n  - [a]\n", want: []string{"line 2: a text is expected, such as \"orders:shards=64\""}},
		{file: "keyspace:\n  - name: a\n    shard: 3\n", want: []string{"troupe.yaml:1: ", `unknown option "shard"`}},
		{file: "- a\n", want: []string{"troupe.yaml:1: ", "list of settings"}},
		{file: "a: [\n", want: []string{"troupe.yaml:1: did not find expected node content"}},
		{file: "name: a\n---\ntoken: secret\n", want: []string{"troupe.yaml:3: ", "a second document begins here"}},
		{file: "name: a\n---\nb: [\n", want: []string{"troupe.yaml:3: did not find expected node content"}},
		{file: "name: a\nkeyspace:\n\t- b\n", want: []string{"troupe.yaml:3: found character that cannot start any token: a tab indents this line, and YAML wants spaces"}},
		{flags: map[string][]string{"log-level": {"loud"}}, want: []string{"--log-level: ", "debug, info, warn or error"}},
		{flags: map[string][]string{"log-format": {"xml"}}, want: []string{"--log-format: ", "text or json"}},
		{flags: map[string][]string{"keyspace": {"a", "a"}}, want: []string{"--keyspace: ", "twice"}},
		{env: map[string]string{"TROUPE_INSECURE": "yes"}, want: []string{"TROUPE_INSECURE: ", "neither true nor false"}},
		{env: map[string]string{"TROUPE_MAX_CLIENTS": "0"}, want: []string{"TROUPE_MAX_CLIENTS: "}},
		{env: map[string]string{"TROUPE_SYNC_INTERVAL": "5"}, file: "sync-interval: 1s", want: []string{"TROUPE_SYNC_INTERVAL: ", "500ms"}},
		{flags: map[string][]string{"join": {"n1"}}, want: []string{"--join: ", "10.0.0.1:7300"}},
		{flags: map[string][]string{"join": {"a:1,a:1"}}, want: []string{"--join: ", "twice"}},
		{flags: map[string][]string{"initial": {"a:0"}}, want: []string{"--initial: ", "host:port"}},
		{flags: map[string][]string{"roles": {"king"}}, want: []string{"--roles: ", "meta, data, gateway"}},
		{flags: map[string][]string{"attr": {"zone"}}, want: []string{"--attr: ", "zone=a"}},
		{flags: map[string][]string{"attr": {"zone=a", "zone=b"}}, want: []string{"--attr: ", "twice"}},
		{flags: map[string][]string{"replicas": {"16"}}, want: []string{"--replicas: ", "0 to 15"}},
		{flags: map[string][]string{"redirect": {"often"}}, want: []string{"--redirect: ", "auto or always or never"}},
		{flags: map[string][]string{"lease": {"0s"}}, want: []string{"--lease: ", "no time span"}},
		{file: "attr:\n  - zone: a\n", want: []string{"line 2: a text is expected", "zone=a"}},
		{file: "join: a:1\nattr: {zone: a}\n", want: []string{"troupe.yaml:2: attr: a list is expected"}},
		{env: map[string]string{"TROUPE_HTTP": "7500"}, want: []string{"TROUPE_HTTP: ", "host:port"}},
		{env: map[string]string{"TROUPE_HTTP": "x:70000"}, want: []string{"TROUPE_HTTP: "}},
	} {
		_, err := Merge(places(c.flags, c.env, c.file))
		if err == nil {
			t.Errorf("%+v was accepted", c)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not say %q", err, want)
			}
		}
		if (c.file != "" && c.env == nil) != errors.Is(err, ErrFile) {
			t.Errorf("%q: is it about the file? %v", err, errors.Is(err, ErrFile))
		}
	}
}

func TestOneDocumentMayBeMarked(t *testing.T) {
	for _, file := range []string{"---\nname: x\n", "name: x\n...\n", "---\nname: x\n---\n", "# nothing but words\nname: x\n---\n# and here"} {
		if m, err := Merge(places(nil, nil, file)); err != nil || m.Node.Name != "x" {
			t.Errorf("%q: %v, %v", file, m, err)
		}
	}
}

// A misspelt variable is told, with what was meant; those that Kubernetes or somebody else sets are no misspellings.
func TestStrangeVariables(t *testing.T) {
	set := []string{"TROUPE_LEASSE", "TROUPE_DISK_RESERV", "PATH", "TROUPE_LEASE", "TROUPE_CONFIG", "TROUPE_ADDR", "TROUPE_PORT", "TROUPE_SERVICE_HOST", "TROUPE_SERVICE_PORT_HTTP",
		"TROUPE_PORT_7400_TCP_ADDR", "TROUPE_PEERS_SERVICE_PORT", "TROUPE_WEATHER"}
	want := "TROUPE_DISK_RESERV is no setting, and is not looked at; did you mean TROUPE_DISK_RESERVE?\n" +
		"TROUPE_LEASSE is no setting, and is not looked at; did you mean TROUPE_LEASE?\n" +
		"TROUPE_WEATHER is no setting, and is not looked at"
	if got := strings.Join(Strange(set), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, s := range All {
		if strange := Strange([]string{s.Variable()}); len(strange) > 0 {
			t.Errorf("%s: %q", s.Name, strange)
		}
	}
}

func TestKeyspaceSyntax(t *testing.T) {
	whole := func(k shards.Keyspace) shards.Keyspace {
		if err := k.Validate(); err != nil {
			t.Fatal(err)
		}
		return k
	}
	for spec, want := range map[string]shards.Keyspace{
		"default":                    whole(shards.Keyspace{Name: "default", Shards: 16, Replicas: 1, MinInSync: 1}),
		"a:":                         whole(shards.Keyspace{Name: "a"}),
		"a:shards=1":                 whole(shards.Keyspace{Name: "a", Shards: 1}),
		"a:durability=memory":        whole(shards.Keyspace{Name: "a", Durability: shards.DurabilityMemory}),
		"a:replicas=2":               whole(shards.Keyspace{Name: "a", Replicas: 2, MinInSync: 2}),
		"a:replicas=3,min-in-sync=1": whole(shards.Keyspace{Name: "a", Replicas: 3, MinInSync: 1}),
		"a:replicas=0":               whole(shards.Keyspace{Name: "a", Replicas: shards.NoReplicas}),
		"c:max-memory=1gb":           whole(shards.Keyspace{Name: "c", MaxMemory: 1 << 30}),
		"c:max-memory=9k,eviction=allkeys-lru,shards=16384": whole(shards.Keyspace{Name: "c", Shards: 16384, MaxMemory: 9000, Eviction: shards.EvictAllKeysLRU}),
	} {
		got, err := ParseKeyspace(spec)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", spec, got, err, want)
		}
		if again, err := ParseKeyspace(FormatKeyspace(got)); err != nil || again != got {
			t.Errorf("%q printed as %q is read as %+v, %v", spec, FormatKeyspace(got), again, err)
		}
	}
	for spec, want := range map[string]string{
		"":                       "name",
		"A":                      "a-z",
		"a:shards":               "1 to 16384",
		"a:shards=0":             "1 to 16384",
		"a:shards=16385":         "1 to 16384",
		"a:shards=1,shards=2":    "twice",
		"a:durability=sometimes": "fsync, interval, memory",
		"a:eviction=lru":         "allkeys-lru",
		"a:eviction=allkeys-lru": "add max-memory",
		"a:max-memory=-1":        "no size",
		"a:replicas=16":          "0 to 15",
		"a:replicas=few":         "0 to 15",
		"a:min-in-sync=0":        "1 to 16",
		"a:min-in-sync=3":        "must be 1 to 2",
		"a:colour=red":           "known are",
		"a:,":                    "known are",
	} {
		if _, err := ParseKeyspace(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gave %v, which does not say %q", spec, err, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "17": 17, "5b": 5, "1k": 1000, "1kb": 1024, "1KiB": 1024, "64MB": 64 << 20, "2g": 2e9, "2gb": 2 << 30, "1tb": 1 << 40} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
		if again, err := ParseSize(FormatSize(want)); err != nil || again != want {
			t.Errorf("%d printed as %q is read as %d, %v", want, FormatSize(want), again, err)
		}
	}
	for _, bad := range []string{"", "mb", "1.5gb", "-1", "1 gb", "1xb", "99999999tb", "0x10"} {
		if got, err := ParseSize(bad); err == nil {
			t.Errorf("%q was read as %d", bad, got)
		}
	}
}
