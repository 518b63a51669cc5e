package integration

import (
	"strings"
	"testing"
)

// Each ban must bite: a rule that lets its own example pass is worse than none, since it is trusted.
func TestBansBite(t *testing.T) {
	cases := []struct {
		path, body string
		check      func(*source) []string
		want       string // a part of the one complaint; "" for none
	}{
		{"shards/radix/a.go", `import "github.com/troupe-actors/troupe/actors"`, arrows, "arrows only point down"},
		{"shards/store/a.go", `import "github.com/troupe-actors/troupe/shards/radix"`, arrows, ""},
		{"shards/a.go", `import "github.com/troupe-actors/troupe/shards/wire"`, arrows, "vocabulary imports nothing"},
		{"shards/store/a_test.go", `import "github.com/troupe-actors/troupe/runtime"`, arrows, "arrows only point down"},
		{"wasm/a.go", `import "github.com/troupe-actors/troupe/shards"`, arrows, "arrows only point down"},
		{"policies/a.go", `import "github.com/troupe-actors/troupe/tracing"`, arrows, "arrows only point down"},
		{"policies/deciders/a.go", `import "github.com/troupe-actors/troupe/wasm"`, arrows, "only policies/hosted"},
		{"policies/hosted/a.go", `import "github.com/troupe-actors/troupe/wasm"`, arrows, ""},
		{"runtime/a.go", `import "github.com/troupe-actors/troupe/integration"`, arrows, "arrows only point down"},
		{"runtime/a.go", `import "github.com/troupe-actors/troupe/actors/shard"`, arrows, ""},
		{"runtime/resp/a.go", `import "github.com/asynkron/protoactor-go/actor"`, throughDoors, "only door is actors"},
		{"actors/shard/a.go", `import "github.com/asynkron/protoactor-go/actor"`, throughDoors, ""},
		{"shards/store/a_test.go", `import "github.com/vmihailenco/msgpack/v5"`, throughDoors, "only door is shards/wire"},
		{"runtime/a.go", `import "github.com/cockroachdb/pebble/v2/vfs"`, throughDoors, "only door is shards/wal"},
		{"actors/shard/a.go", `import "github.com/cockroachdb/pebble/v2/vfs"`, throughDoors, "only door is shards/wal"},
		{"actors/shard/a_test.go", `import "github.com/cockroachdb/pebble/v2/vfs"`, throughDoors, ""},
		{"shards/wal/a.go", `import "sync"`, forbiddenEffects, ""},
		{"runtime/admin/a.go", `import "github.com/spf13/pflag"`, throughDoors, "only door is runtime/cmd/troupe"},
		{"actors/a.go", `import "example.com/new/thing"`, throughDoors, "has no door"},
		{"integration/a.go", `import "example.com/new/thing"`, throughDoors, ""},
		{"shards/store/a.go", `import "sync"`, forbiddenEffects, "its turn is the lock"},
		{"shards/store/a_test.go", `import "sync"`, forbiddenEffects, ""},
		{"shards/wal/a.go", `import "os"`, forbiddenEffects, "file-system seam"},
		{"policies/a.go", `import "context"`, forbiddenEffects, "nothing to cancel"},
		{"policies/a.go", `import "math/rand"`, forbiddenEffects, "seeded generator"},
		{"actors/shard/a.go", `import "os"`, forbiddenEffects, "belong to runtime"},
		{"actors/shard/a.go", `import "sync"`, forbiddenEffects, ""},
		{"shards/wal/a.go", `func f() { go f() }`, forbiddenEffects, "a goroutine"},
		{"shards/wal/a.go", `var c chan int`, forbiddenEffects, "a channel"},
		{"policies/a.go", "import \"time\"\nvar d = time.Second", forbiddenEffects, ""},
		{"policies/a.go", "import clock \"time\"\nvar d = clock.Now()", forbiddenEffects, "time.Now"},
		{"policies/a.go", "import \"math/rand/v2\"\nvar d = rand.IntN(6)", forbiddenEffects, "the process's own dice"},
		{"policies/a.go", "import \"math/rand/v2\"\nvar d = rand.New(rand.NewPCG(1, 2))", forbiddenEffects, ""},
		{"runtime/a_test.go", "import \"time\"\nfunc f() { time.Sleep(1) }", sleepsInTest, "wait for the event"},
		{"runtime/a.go", `import "runtime"`, standardRuntime, "goruntime"},
		{"runtime/a.go", `import goruntime "runtime"`, standardRuntime, ""},
		{"runtime/util/a.go", ``, drawerName, "is a drawer"},
		{"runtime/a.go", "func f() {" + strings.Repeat("\n", functionLines) + "}", longFunctions, "71 lines"},
		{"runtime/a.go", "func f() {" + strings.Repeat("\n", functionLines-1) + "}", longFunctions, ""},
		{"runtime/a.go", strings.Repeat("\n", fileLines), longFile, "is it two things?"},
	}
	for _, c := range cases {
		f, err := parseSource(c.path, []byte("package x\n\n"+c.body+"\n"))
		if err != nil {
			t.Fatalf("%s: %v", c.body, err)
		}
		got := c.check(f)
		if c.want == "" && len(got) == 0 || len(got) == 1 && c.want != "" && strings.Contains(got[0], c.want) {
			continue
		}
		t.Errorf("%s in %s: got %q, want one complaint with %q", c.body, c.path, got, c.want)
	}
	for folder, known := range map[string]bool{"shards/radix": true, "shards/trie": false, "examples/any/thing": true,
		"integration/bench/radix": true, "cmd": false, "policies/modules/zone": true, ".": false} {
		if _, ok := place(folder); ok != known {
			t.Errorf("place(%q) = %v, want %v", folder, ok, known)
		}
	}
}
