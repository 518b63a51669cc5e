package resp

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestCommandsTable keeps the table in COMMANDS.md equal to that in the code; -rewrite writes it. What follows it is written
// by hand.
func TestCommandsTable(t *testing.T) {
	var text strings.Builder
	fmt.Fprintf(&text, "# Commands\n\nWritten from the table in the code by `go test ./runtime/resp -run CommandsTable -rewrite`.\n\n| command | since | what it does |\n|---|---|---|\n")
	row := func(cmd *command) {
		usage := strings.TrimSpace(strings.ToUpper(strings.ReplaceAll(cmd.name, "|", " ")) + " " + cmd.syntax)
		fmt.Fprintf(&text, "| `%s` | %s | %s |\n", strings.ReplaceAll(usage, "|", "\\|"), cmd.since, cmd.summary)
	}
	for _, name := range sortedNames() {
		if table[name].subs == nil || name == "command" {
			row(table[name])
		}
		for _, sub := range table[name].subs {
			row(sub)
		}
	}
	have, err := os.ReadFile("COMMANDS.md")
	if err != nil {
		t.Fatal(err)
	}
	if at := strings.Index(string(have), "\n## "); at >= 0 {
		text.Write(have[at:])
	}
	if *rewrite {
		if err := os.WriteFile("COMMANDS.md", []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(have) != text.String() {
		t.Error("COMMANDS.md is not what the table says; run with -rewrite")
	}
}

// TestTableIsWhole checks every row for what the rest of the package takes for granted.
func TestTableIsWhole(t *testing.T) {
	check := func(cmd *command) {
		if cmd.group == "" || cmd.since == "" || cmd.summary == "" || cmd.arity == 0 || len(cmd.name) > 2*maxName {
			t.Errorf("%s: a field is missing", cmd.name)
		}
		if (cmd.compile == nil) != (cmd.result == nil) || (cmd.compile == nil) == (cmd.run == nil) {
			t.Errorf("%s must have compile and result, or run", cmd.name)
		}
		if cmd.compile != nil && (cmd.first == 0 || cmd.flags&(flagWrite|flagRead) == 0 || cmd.first >= max(cmd.arity, -cmd.arity)) {
			t.Errorf("%s works on keys but does not say where they are, or might not have one", cmd.name)
		}
		if (len(cmd.syntax) > 0) != (len(parseSyntax(cmd.syntax)) > 0) {
			t.Errorf("%s: syntax %q has no arguments", cmd.name, cmd.syntax)
		}
	}
	for _, cmd := range table {
		check(cmd)
		for _, sub := range cmd.subs {
			check(sub)
		}
	}
}

func TestSyntaxBecomesArguments(t *testing.T) {
	for syntax, want := range map[string]string{
		"key":                              "key",
		"key [key ...]":                    "key+",
		"key value [key value ...]":        "(key value)+",
		"key seconds [NX | XX]":            "key seconds (nx/xx)?",
		"cursor [MATCH pattern]":           "cursor pattern?",
		"[ASYNC | SYNC]":                   "(async/sync)?",
		"[channel [channel ...]]":          "channel+?",
		"key value [EX seconds | PERSIST]": "key value (seconds/persist)?",
	} {
		if got := show(parseSyntax(syntax), " "); got != want {
			t.Errorf("%q became %q, want %q", syntax, got, want)
		}
	}
}

func show(arguments []argument, between string) string {
	var parts []string
	for _, a := range arguments {
		text := a.name
		if a.parts != nil {
			inner := " "
			if a.kind == "oneof" {
				inner = "/"
			}
			text = "(" + show(a.parts, inner) + ")"
		}
		if a.multiple {
			text += "+"
		}
		if a.optional {
			text += "?"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, between)
}
