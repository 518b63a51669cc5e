package wasm

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The guests in testdata are what their sources give: each is built anew and compared byte for byte, where the compiler
// and version that its source names is installed. TROUPE_ASC is the path of AssemblyScript's bin/asc.js.
func TestFixturesAreBuiltFromTheirSources(t *testing.T) {
	for source, built := range map[string]string{"guest.wat": "guest.wasm", "row.c": "row_c.wasm", "row.rs": "row_rust.wasm", "row.ts": "row_as.wasm", "wasi.wat": "wasi.wasm"} {
		t.Run(source, func(t *testing.T) {
			text := fixture(t, source)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, source), text, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, line := range strings.Split(string(text), "\n") {
				line = strings.TrimLeft(line, "/; ")
				if tools, ok := strings.CutPrefix(line, "With: "); ok {
					for _, tool := range strings.Split(tools, ", ") {
						need(t, tool)
					}
				}
				if command, ok := strings.CutPrefix(line, "Built: "); ok {
					run := tool(strings.Fields(command))
					run.Dir = dir
					if said, err := run.CombinedOutput(); err != nil {
						t.Fatalf("%s: %v\n%s", command, err, said)
					}
				}
			}
			got, err := os.ReadFile(filepath.Join(dir, built))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, fixture(t, built)) {
				t.Errorf("%s gives another %s than the one committed; build it as its first lines say", source, built)
			}
		})
	}
}

// need skips the test where the tool of that version is not installed.
func need(t *testing.T, wanted string) {
	t.Helper()
	name, version, _ := strings.Cut(wanted, " ")
	said, err := tool([]string{name, "--version"}).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("TROUPE_PEERS") == "required" && (name == "wat2wasm" || name == "clang-19") {
		t.Fatalf("%s: %v; .ci/run peers installs it", name, err)
	}
	if err != nil || !strings.Contains(string(said), version) {
		t.Skipf("%s is not installed here: %v %s", wanted, err, said)
	}
}

// tool is a command with the path of the tool in place of its name. Debian's rustc has the wasm target; another that comes
// first in the path may not.
func tool(words []string) *exec.Cmd {
	switch words[0] {
	case "asc":
		words = append([]string{"node", os.Getenv("TROUPE_ASC")}, words[1:]...)
	case "rustc":
		if _, err := os.Stat("/usr/bin/rustc"); err == nil {
			words[0] = "/usr/bin/rustc"
		}
	}
	return exec.Command(words[0], words[1:]...)
}
