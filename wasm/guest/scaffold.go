package guest

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

//go:embed c/*.h rust/troupe.rs rust/troupe_actor.rs assemblyscript/*.ts assemblyscript/*.mjs go scaffold
var sources embed.FS

// File is a file of a project, with its path in it.
type File struct {
	Path string
	Text []byte
}

// plan says what a project in one language is made of.
type plan struct {
	title    string
	sources  map[string]string // path in the project: path here
	copied   map[string]string // the SDK: folder or file here, and where it goes
	limits   string            // of the manifest
	needs    string
	needsToo string
	ignored  string
	source   string
	sdk      string
	test     string
	commands string
}

var plans = map[string]plan{
	"c": {
		title:   "C",
		sources: map[string]string{"policy.c": "c/policy.c", "policy_test.c": "c/policy_test.c", "Makefile": "c/Makefile"},
		copied:  map[string]string{"c/troupe.h": "troupe.h", "c/troupe_test.h": "troupe_test.h"},
		limits:  `"pages": 256`, needsToo: " and in `TROUPE_NEEDS`", ignored: "policy_test", source: "policy.c", sdk: "troupe.h`, `troupe_test.h", test: "policy_test.c",
		needs: "It needs clang with lld (Debian: `apt-get install clang-19 lld-19`) and, for the unit tests, any C compiler.",
		commands: `clang-19 --target=wasm32 -O2 -mbulk-memory -nostdlib -ffreestanding -fno-builtin -Wl,--no-entry -Wl,--strip-all \
  -Wl,-z,stack-size=16384 -o policy.wasm policy.c        # the manifest goes in by MANIFEST("manifest.json")
cc -o policy_test policy_test.c && ./policy_test         # the rule, natively
troupe policy test fixture.yaml                          # the module`,
	},
	"rust": {
		title:   "Rust",
		sources: map[string]string{"src/lib.rs": "rust/lib.rs", "Cargo.toml": "rust/Cargo.toml", "Makefile": "rust/Makefile"},
		copied:  map[string]string{"rust/troupe.rs": "src/troupe.rs"},
		limits:  `"pages": 256`, ignored: "policy_test\ntarget", source: "src/lib.rs", sdk: "src/troupe.rs", test: "src/lib.rs",
		needs: "It needs Rust 1.63 or later with the target wasm32-unknown-unknown (`rustup target add wasm32-unknown-unknown`; Debian: `apt-get install rustc\n" +
			"libstd-rust-dev-wasm32 lld-14`, and then `make LINKER=wasm-ld-14`).",
		commands: `cargo build --release --target wasm32-unknown-unknown    # the manifest goes in by policy!("../manifest.json")
cp target/wasm32-unknown-unknown/release/*.wasm policy.wasm
cargo test                                               # the rule, natively
troupe policy test fixture.yaml                          # the module`,
	},
	"assemblyscript": {
		title:   "AssemblyScript",
		sources: map[string]string{"policy.ts": "assemblyscript/policy.ts", "policy_test.mjs": "assemblyscript/policy_test.mjs", "package.json": "assemblyscript/package.json", "Makefile": "assemblyscript/Makefile"},
		copied:  map[string]string{"assemblyscript/troupe.ts": "troupe.ts", "assemblyscript/world.mjs": "world.mjs"},
		limits:  `"pages": 256`, needsToo: " and in the call of `needs`", ignored: "node_modules", source: "policy.ts", sdk: "troupe.ts`, `world.mjs", test: "policy_test.mjs",
		needs: "It needs node and the compiler, which `npm install` gets.",
		commands: `npm install
npx asc policy.ts -O3 --exportStart _initialize --use abort=troupe/abort -o policy.wasm
troupe policy pack policy.wasm manifest.json             # the manifest goes in
node policy_test.mjs                                     # the module, question by question
troupe policy test fixture.yaml                          # the module, on a cluster`,
	},
	"go": {
		title:   "Go",
		sources: map[string]string{"policy.go": "go/policy.go", "exports.go": "go/exports.go", "policy_test.go": "go/policy_test.go", "go.mod": "go/go.mod", "Makefile": "go/Makefile"},
		copied:  map[string]string{"go/*.go": "troupe"},
		limits:  `"pages": 256, "fuel_per_node": 100000`, ignored: "", source: "policy.go", sdk: "troupe/", test: "policy_test.go",
		needs: "It needs Go 1.24 or later.",
		commands: `GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags="-s -w" -o policy.wasm .
troupe policy pack policy.wasm manifest.json             # the manifest goes in
go test ./...                                            # the rule, natively
troupe policy test fixture.yaml                          # the module`,
	},
}

// Languages lists those that there is an SDK for.
func Languages() []string { return []string{"go", "rust", "c", "assemblyscript"} }

var projectName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// Scaffold gives the files of a project that builds and passes its tests as it is: a rule, its manifest, unit tests, a fixture for
// troupe policy test, and the SDK itself. They are sorted by path.
func Scaffold(language, name string) ([]File, error) {
	common := map[string]string{"manifest.json": "common/manifest.json", "fixture.yaml": "common/fixture.yaml", "README.md": "common/README.md", ".gitignore": "common/gitignore"}
	return project(plans, common, language, name)
}

// ScaffoldActor gives those of a kind of actors: methods, manifest, unit tests, messages for troupe actor test, and the SDK itself.
func ScaffoldActor(language, name string) ([]File, error) {
	common := map[string]string{"manifest.json": "actor/common/manifest.json", "messages.txt": "actor/common/messages.txt", "README.md": "actor/common/README.md", ".gitignore": "common/gitignore"}
	return project(actorPlans, common, language, name)
}

// project fills in the templates of a language, and those that all languages have.
func project(plans map[string]plan, common map[string]string, language, name string) ([]File, error) {
	p, known := plans[language]
	if !known {
		return nil, fmt.Errorf("no SDK for language %q; there are %s", language, strings.Join(Languages(), ", "))
	}
	if !projectName.MatchString(name) {
		return nil, fmt.Errorf("name %q; must be 1 to 64 of a-z 0-9 _ -, beginning with a letter", name)
	}
	fill := strings.NewReplacer("{{name}}", name, "{{Language}}", p.title, "{{limits}}", p.limits, "{{needs}}", p.needs, "{{needs_too}}", p.needsToo,
		"{{ignored}}", p.ignored, "{{source}}", p.source, "{{sdk}}", p.sdk, "{{test}}", p.test, "{{commands}}", p.commands)
	var out []File
	for _, files := range []map[string]string{common, p.sources} {
		for to, from := range files {
			text, err := sources.ReadFile("scaffold/" + from + ".tmpl")
			if err != nil {
				return nil, err
			}
			out = append(out, File{to, []byte(fill.Replace(string(text)))})
		}
	}
	for from, to := range p.copied {
		files, err := copied(from, to)
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// copied reads a file, or those that a pattern names, without their tests, into a folder.
func copied(from, to string) (out []File, err error) {
	names, err := fs.Glob(sources, from)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := sources.ReadFile(name)
		if err != nil {
			return nil, err
		}
		place := to
		if strings.Contains(from, "*") {
			place = path.Join(to, path.Base(name))
		}
		out = append(out, File{place, text})
	}
	return out, err
}
