package guest

import (
	"regexp"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/wasm/abi"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// TestScaffoldIsFilledIn looks at the files alone; that projects build and pass is tested where troupe policy init is.
func TestScaffoldIsFilledIn(t *testing.T) {
	for _, language := range Languages() {
		files, err := Scaffold(language, "spot-keeper")
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, f := range files {
			if found[f.Path] {
				t.Errorf("%s: %s is there twice", language, f.Path)
			}
			found[f.Path] = true
			if strings.Contains(string(f.Text), "{{") && !strings.HasSuffix(f.Path, ".rs") || len(f.Text) == 0 {
				t.Errorf("%s: %s is not filled in", language, f.Path)
			}
			if f.Path == "manifest.json" {
				if m, err := abi.ParseManifest(f.Text); err != nil || m.Name != "spot-keeper" {
					t.Errorf("%s: its manifest: %v", language, err)
				}
			}
		}
		for _, path := range []string{"manifest.json", "fixture.yaml", "Makefile", "README.md", ".gitignore"} {
			if !found[path] {
				t.Errorf("%s: there is no %s", language, path)
			}
		}
	}
	for _, bad := range [][2]string{{"cobol", "x"}, {"c", "X"}, {"c", ""}, {"c", "../x"}} {
		if _, err := Scaffold(bad[0], bad[1]); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

// A Go project may be called as a part of Go is: with a dot in its first element no module path is one of the standard library's, or a reserved word.
func TestGoModulePathIsNobodyElses(t *testing.T) {
	for _, scaffold := range []func(language, name string) ([]File, error){Scaffold, ScaffoldActor} {
		for _, name := range []string{"main", "vendor", "cmd", "std", "fmt", "go"} {
			files, err := scaffold("go", name)
			if err != nil {
				t.Fatal(err)
			}
			imports := 0
			for _, f := range files {
				if f.Path == "go.mod" && !strings.HasPrefix(string(f.Text), "module "+name+".local\n") {
					t.Errorf("%s: %s", name, f.Text)
				}
				imports += strings.Count(string(f.Text), `"`+name+`.local/`)
				if strings.Contains(string(f.Text), `"`+name+`/troupe"`) || strings.Contains(string(f.Text), `"`+name+`/actor"`) {
					t.Errorf("%s: %s imports what is not in the module", name, f.Path)
				}
			}
			if imports < 2 {
				t.Errorf("%s: %d imports of its own", name, imports)
			}
		}
	}
}

// outOfFences is a Rust source without what stands between fences in its comments.
func outOfFences(text string) (out string) {
	for i, part := range strings.Split(text, "```") {
		if i%2 == 0 {
			out += part
		}
	}
	return out
}

// TestActorScaffoldIsFilledIn does the same for kinds of actors.
func TestActorScaffoldIsFilledIn(t *testing.T) {
	for _, language := range Languages() {
		files, err := ScaffoldActor(language, "tally")
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, f := range files {
			if found[f.Path] {
				t.Errorf("%s: %s is there twice", language, f.Path)
			}
			found[f.Path] = true
			if strings.Contains(string(f.Text), "{{") && !strings.Contains(f.Path, "troupe_actor.") || len(f.Text) == 0 {
				t.Errorf("%s: %s is not filled in", language, f.Path)
			}
			if at := regexp.MustCompile(`(?m)^\s*//[/!]     .*`).FindString(outOfFences(string(f.Text))); at != "" && strings.HasSuffix(f.Path, ".rs") {
				t.Errorf("%s: cargo test runs what is indented in comments: %s", f.Path, at)
			}
			if f.Path == "manifest.json" {
				if m, err := act.ParseManifest(f.Text); err != nil || m.Kind != "tally" {
					t.Errorf("%s: its manifest: %v", language, err)
				}
			}
		}
		for _, path := range []string{"manifest.json", "messages.txt", "Makefile", "README.md", ".gitignore"} {
			if !found[path] {
				t.Errorf("%s: there is no %s", language, path)
			}
		}
	}
	if _, err := ScaffoldActor("c", "Tally"); err == nil {
		t.Error("Tally was taken")
	}
}
