package guest

// actorPlans are those of kinds of actors.
var actorPlans = map[string]plan{
	"c": {
		title:    "C",
		sources:  map[string]string{"actor.c": "actor/c/actor.c", "actor_test.c": "actor/c/actor_test.c", "Makefile": "actor/c/Makefile"},
		copied:   map[string]string{"c/troupe_actor.h": "troupe_actor.h", "c/troupe_actor_test.h": "troupe_actor_test.h"},
		needsToo: " and in `TROUPE_METHODS`", ignored: "actor_test", source: "actor.c", sdk: "troupe_actor.h`, `troupe_actor_test.h", test: "actor_test.c",
		needs: plans["c"].needs,
		commands: `clang-19 --target=wasm32 -O2 -mbulk-memory -nostdlib -ffreestanding -fno-builtin -Wl,--no-entry -Wl,--strip-all \
  -Wl,-z,stack-size=16384 -o actor.wasm actor.c          # the manifest goes in by MANIFEST("manifest.json")
cc -o actor_test actor_test.c && ./actor_test            # the methods, natively`,
	},
	"rust": {
		title:    "Rust",
		sources:  map[string]string{"src/lib.rs": "actor/rust/lib.rs", "Cargo.toml": "rust/Cargo.toml", "Makefile": "actor/rust/Makefile"},
		copied:   map[string]string{"rust/troupe_actor.rs": "src/troupe_actor.rs"},
		needsToo: " and in `actor!`", ignored: "actor_test\ntarget", source: "src/lib.rs", sdk: "src/troupe_actor.rs", test: "src/lib.rs",
		needs: plans["rust"].needs,
		commands: `cargo build --release --target wasm32-unknown-unknown    # the manifest goes in by actor!("../manifest.json", …)
cp target/wasm32-unknown-unknown/release/*.wasm actor.wasm
cargo test                                               # the methods, natively`,
	},
	"assemblyscript": {
		title:   "AssemblyScript",
		sources: map[string]string{"actor.ts": "actor/assemblyscript/actor.ts", "actor_test.mjs": "actor/assemblyscript/actor_test.mjs", "package.json": "assemblyscript/package.json", "Makefile": "actor/assemblyscript/Makefile"},
		copied:  map[string]string{"assemblyscript/troupe_actor.ts": "troupe_actor.ts", "assemblyscript/actor_world.mjs": "actor_world.mjs"},
		ignored: "node_modules", source: "actor.ts", sdk: "troupe_actor.ts`, `actor_world.mjs", test: "actor_test.mjs",
		needs: plans["assemblyscript"].needs,
		commands: `npm install
npx asc actor.ts -O3 --runtime stub --exportStart _initialize --use abort=troupe_actor/abort -o actor.wasm
troupe actor pack actor.wasm manifest.json               # the manifest goes in
node actor_test.mjs                                      # the module, message by message`,
	},
	"go": {
		title:   "Go",
		sources: map[string]string{"actor.go": "actor/go/actor.go", "actor_test.go": "actor/go/actor_test.go", "go.mod": "go/go.mod", "Makefile": "actor/go/Makefile"},
		copied:  map[string]string{"go/actor/*.go": "actor"},
		limits: `,
  "reuse": true,
  "limits": {"fuel": 100000000, "memory_pages": 128}`, ignored: "", source: "actor.go", sdk: "actor/", test: "actor_test.go",
		needs: plans["go"].needs,
		commands: `GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags="-s -w" -o actor.wasm .
troupe actor pack actor.wasm manifest.json               # the manifest goes in
go test ./...                                            # the methods, natively`,
	},
}
