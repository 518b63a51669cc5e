package main

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/runtime/admin"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files in testdata")

// invoke runs a command line without terminal, environment or input; nor does it see what dev clusters somebody runs on this machine.
func invoke(t *testing.T, env map[string]string, input string, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e strings.Builder
	none := t.TempDir()
	c := &console{in: strings.NewReader(input), out: &o, err: &e, env: func(name string) (string, bool) {
		v, ok := env[name]
		if !ok && name == "XDG_RUNTIME_DIR" {
			return none, true
		}
		return v, ok
	}}
	code = run(t.Context(), c, args)
	return o.String(), e.String(), code
}

// The help texts are part of the product: a change shows in review.
func TestHelpTexts(t *testing.T) {
	verbs := []string{"", "node", "preflight", "get", "put", "del", "scan", "watch", "load", "verify", "bench", "wal", "wal dump", "wal verify", "version",
		"health", "nodes", "shards", "keyspace", "keyspace list", "keyspace create", "keyspace update", "settings", "settings get", "settings set", "settings history", "drain", "maintenance", "vote",
		"forget", "leader", "leader transfer", "reroute", "reroute move", "reroute cancel", "reroute allocate-stale", "policy", "policy push", "policy list", "policy inspect", "policy diff",
		"policy shadow", "policy activate", "policy deactivate", "policy rollback", "policy reset", "policy quarantine", "policy forget", "policy logs", "explain", "trace", "check", "watch health", "watch routing",
		"policy test", "policy watch", "simulate", "replay", "rehearse", "actor", "actor init", "actor pack", "actor test", "actor push", "actor use", "actor rollback", "actor forget", "actor list", "actor inspect", "actor call", "actor tell", "actor aside", "actor redrive", "actor drop",
		"topic", "topic list", "topic show", "topic delete", "group", "group list", "group show", "group delete", "session", "session list", "session show",
		"dev", "dev kill", "dev pause", "dev cut", "dev heal", "dev status"}
	for _, verb := range verbs {
		out, errs, code := invoke(t, nil, "", append(strings.Fields(verb), "--help")...)
		if code != 0 || errs != "" {
			t.Errorf("%s --help: exit code %d, %s", verb, code, errs)
		}
		if strings.Contains(out, "\x1b") {
			t.Errorf("%s --help is coloured", verb)
		}
		if verb != "" && verb != "wal" && verb != "keyspace" && verb != "settings" && !strings.Contains(out, "Examples:") {
			t.Errorf("%s --help has no example", verb)
		}
		path := filepath.Join("testdata", "help", strings.ReplaceAll("troupe "+verb, " ", "_")+".txt")
		if verb == "" {
			path = filepath.Join("testdata", "help", "troupe.txt")
		}
		if *rewrite {
			if err := os.WriteFile(path, []byte(out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if out != string(want) {
			t.Errorf("%s differs; -rewrite accepts\n%s", path, out)
		}
	}
	if bare, _, code := invoke(t, nil, ""); code != 0 || !strings.Contains(bare, "troupe node --data ./data") {
		t.Errorf("troupe alone: exit code %d\n%s", code, bare)
	}
}

func TestWrongUsage(t *testing.T) {
	for _, c := range []struct {
		line string
		want string
	}{
		{"frob", `unknown command "frob"`},
		{"get", "accepts 1 arg"},
		{"get a --nonsense", "unknown flag: --nonsense"},
		{"get a --addr ftp://x", "--addr: "},
		{"put a b --if-absent --if-present", "if-absent"},
		{"put a b --file f", "not both"},
		{"del", "which keys?"},
		{"del --prefix", "flag needs an argument"},
		{"del --prefix=", "say --all"},
		{"del a --prefix b", "not several"},
		{"scan --limit -1", "negative"},
		{"load", "at least one of the flags"},
		{"load --dir a --csv b", "none of the others can be"},
		{"bench --op put", "READS:WRITES"},
		{"bench --vs h:1,x --requests 1 --fill=false", "no process id"},
		{"node --nmae x", "unknown flag: --nmae"},
		{"node --snapshot-bytes lots --check", "--snapshot-bytes: "},
		{"node --keyspace a:shards=0 --check", "1 to 16384"},
		{"node --config none.yaml", "none.yaml"},
		{"wal dump --shard x", "no shard"},
		{"health --wait blue", "green or yellow"},
		{"health --wait green --watch", "none of the others can be"},
		{"maintenance n1", "--cluster on"},
		{"maintenance n1 perhaps", "neither on nor off"},
		{"maintenance --cluster n1 on", "--cluster on"},
		{"reroute move orders/1 n1", "accepts 3 arg"},
		{"reroute move orders n1 n2", "orders/17"},
		{"reroute allocate-empty orders/1 n1", "--accept-data-loss"},
		{"reroute move orders/1 n1 n2 --accept-data-loss", "unknown flag"},
		{"explain orders/x", "orders/17"},
		{"policy frob", `unknown command "frob"`},
		{"policy activate a --set b", "NAME=VALUE"},
		{"dev --attr class=spot", "as in n3:class=spot"},
		{"dev --attr n4:class=spot", "there are nodes n1 to n3"},
		{"dev --attr n03:class=spot", "there are nodes n1 to n3"},
		{"policy activate a --max-flips 3", "--require-shadow"},
		{"policy shadow a --off --watch", "none of the others can be"},
		{"policy shadow a --off --set b=c", "neither --version nor --set"},
		{"policy quarantine a", "--reason"},
		{"policy diff a 0 1", "versions begin at 1"},
		{"settings set a", "NAME=VALUE"},
		{"settings frob", `unknown command "frob"`},
		{"keyspace create A", "a-z"},
		{"keyspace update a:shards=0", "1 to 16384"},
		{"drain", "accepts 1 arg"},
		{"dev frob", `unknown command "frob"`},
		{"dev --nodes 10", "1 to 9"},
		{"dev --base-port 65500", "--base-port"},
		{"dev kill", "accepts 1 arg"},
		{"drain n1 --cancel --no-wait", "none of the others can be"},
		{"drain n1 --timeout -1s", "must not be negative"},
		{"help nosuch", `there is no verb "nosuch"`},
		{"help drain nosuch", "there is no verb"},
		{"helth", "health"},
		{"status", "health"},
		{"backup", "scan"},
		{"get", "accepts 1 argument, received 0: troupe get KEY [flags]\ntroupe: see troupe get --help\n"},
		{"nodes n1", `troupe nodes takes no argument, and was given "n1"`},
		{"nodes --jsno", "unknown flag: --jsno; did you mean --json?"},
		{"nodes --nothing-like-it", "unknown flag: --nothing-like-it\n"},
		{"keyspace creat a", `unknown command "creat" for "troupe keyspace"; did you mean create?`},
		{"keyspace frob", `unknown command "frob" for "troupe keyspace"; there are create, list, update`},
		{"dev kil n1", "did you mean kill?"},
		{"completion ksh", `no completion for "ksh"; there is for bash, fish, powershell, zsh`},
	} {
		_, errs, code := invoke(t, nil, "", strings.Fields(c.line)...)
		if code != exitUsage || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit code %d, %q; want %d and %q", c.line, code, errs, exitUsage, c.want)
		}
	}
}

func TestUnreachableNodesAreExplained(t *testing.T) {
	for _, line := range []string{"get a", "put a b", "del a", "scan", "watch", "load --dir .", "verify --dir .", "health", "nodes", "shards", "check", "explain",
		"settings get", "settings history", "keyspace list", "drain n1", "maintenance n1 on", "reroute", "leader", "forget n1", "watch health", "watch routing", "health --watch"} {
		_, errs, code := invoke(t, map[string]string{"TROUPE_ADDR": "127.0.0.1:1"}, "", strings.Fields(line)...)
		if code != exitFailed || !strings.Contains(errs, "cannot reach 127.0.0.1:1: is a node running?") {
			t.Errorf("%s: exit code %d, %s", line, code, errs)
		}
	}
}

func TestCheckPrintsOriginsAndHidesSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "troupe.yaml")
	if err := os.WriteFile(file, []byte("token: hidden\nhttp: 127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := invoke(t, map[string]string{"TROUPE_CONFIG": file, "TROUPE_HTTP": "127.0.0.1:2"}, "", "node", "--name", "n1", "--check")
	if code != 0 || errs != "" || strings.Contains(out, "hidden") {
		t.Errorf("exit code %d, %s\n%s", code, errs, out)
	}
	for _, want := range []string{"name: n1 # flag --name", "http: 127.0.0.1:2 # env TROUPE_HTTP", "token: \"********\" # " + file + ":1", "data: ./data # default"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestDevVerbsNeedADevCluster(t *testing.T) {
	env := map[string]string{"XDG_RUNTIME_DIR": t.TempDir()}
	for _, line := range []string{"dev status", "dev kill n1", "dev cut n1 --one-way", "dev heal", "dev status --base-port 9300"} {
		if _, errs, code := invoke(t, env, "", strings.Fields(line)...); code != exitFailed || !strings.Contains(errs, "start one with: troupe dev") {
			t.Errorf("%s: exit code %d, %s", line, code, errs)
		}
	}
}

func TestVersionAndCompletion(t *testing.T) {
	out, _, code := invoke(t, nil, "", "version", "--json")
	if code != 0 || !strings.Contains(out, `"go":"go1.`) {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, _, code = invoke(t, nil, "", "--version"); code != 0 || !strings.HasPrefix(out, "troupe ") {
		t.Errorf("--version: exit code %d: %s", code, out)
	}
	if out, _, code = invoke(t, nil, "", "help", "policy", "push"); code != 0 || !strings.Contains(out, "troupe policy push") {
		t.Errorf("help of a verb: exit code %d: %s", code, out)
	}
	addr, _ := record(t, map[string][]any{
		"GET /_nodes": {[]admin.Node{{Name: "n2"}, {Name: "n1"}}}, "GET /_keyspaces": {[]admin.KeyspaceInfo{{Name: "orders"}}},
		"GET /_policy":     {admin.PolicyList{Policies: []admin.PolicyInfo{{Name: "spot"}, {Name: "night"}}}},
		"GET /_cat/shards": {[]map[string]string{{"keyspace": "orders", "shard": "7"}, {"keyspace": "orders", "shard": "7"}}},
	})
	for line, want := range map[string]string{
		"get --keyspace": "orders\n", "health --wait": "green\nyellow\n", "maintenance": "n1\nn2\n:4", "maintenance n1": "off\non\n", "maintenance --cluster": "off\non\n", "policy activate": "night\nspot\n",
		"drain": "n1\nn2\n", "leader transfer": "n1\n", "shards": "orders\n", "explain": "orders/7\n:", "settings set": "cluster.routing.allocation.enable=\n", "settings get": "cluster.routing.allocation.require.\n",
	} {
		args := append(append([]string{"__complete"}, strings.Fields(line)...), "")
		if out, _, code = invoke(t, map[string]string{"TROUPE_ADDR": addr}, "", args...); code != 0 || !strings.Contains(out, want) {
			t.Errorf("completion of %s: exit code %d: %s", line, code, out)
		}
	}
	if out, _, code = invoke(t, nil, "", "completion", "bash"); code != 0 || !strings.Contains(out, "__start_troupe") {
		t.Errorf("completion: exit code %d, %d bytes", code, len(out))
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]bool{"": true, "häß €": true, "a\nb": false, "\x1b[31m": false, "\xff": false, "\u0085": false, "\u00a0": true, "\x7f": false} {
		if printable([]byte(text), false) != want {
			t.Errorf("printable(%q) is not %v", text, want)
		}
	}
	if !printable([]byte("a\tb\r\n"), true) {
		t.Error("lines are text")
	}
	if keyText(nil) != `""` || keyText([]byte("a b")) != "a b" || keyText([]byte("a\n")) != `"a\n"` {
		t.Error("keyText")
	}
}

func TestValueComesFromOnePlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "v")
	if err := os.WriteFile(file, []byte("from file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		file string
		want string
	}{{[]string{"arg"}, "", "arg"}, {[]string{"-"}, "", "from stdin"}, {nil, "", "from stdin"}, {nil, file, "from file"}, {[]string{""}, "", ""}} {
		c0 := &console{in: strings.NewReader("from stdin"), out: io.Discard, err: io.Discard}
		if got, err := c0.valueOf(c.args, c.file); err != nil || string(got) != c.want {
			t.Errorf("%q, %q: %q, %v", c.args, c.file, got, err)
		}
	}
}
