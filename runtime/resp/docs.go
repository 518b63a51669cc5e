package resp

import (
	"sort"
	"strings"
)

// argument is one element of a command's syntax, as COMMAND DOCS describes it.
type argument struct {
	name     string
	kind     string
	token    string
	optional bool
	multiple bool
	spec     int // of a key: which of the command's key specifications it belongs to
	parts    []argument
}

// argumentKinds are the kinds of arguments that are not plain strings.
var argumentKinds = map[string]string{
	"key": "key", "key1": "key", "key2": "key", "newkey": "key", "source": "key", "destination": "key", "pattern": "pattern",
	"seconds": "integer", "milliseconds": "integer", "increment": "integer", "decrement": "integer", "offset": "integer", "start": "integer",
	"end": "integer", "count": "integer", "cursor": "integer", "slot": "integer", "numreplicas": "integer", "timeout": "integer",
	"unix-time-seconds": "unix-time", "unix-time-milliseconds": "unix-time", "client-id": "integer", "index": "integer", "protover": "integer",
	"numkeys": "integer", "ttl": "integer", "frequency": "integer", "min-match-len": "integer",
}

// parseSyntax reads Redis' notation: words are arguments, CAPITALS tokens, [x] may be left out, [x ...] repeats, a | b is
// a choice.
func parseSyntax(syntax string) []argument {
	spaced := strings.NewReplacer("[", " [ ", "]", " ] ", "|", " | ").Replace(syntax)
	words := strings.Fields(spaced)
	arguments, _ := parseGroup(words)
	return arguments
}

// parseGroup reads up to the closing bracket and returns what is behind it.
func parseGroup(words []string) (group []argument, rest []string) {
	var choices [][]argument
	for len(words) > 0 && words[0] != "]" {
		word := words[0]
		words = words[1:]
		switch {
		case word == "|":
			choices, group = append(choices, group), nil
		case word == "...":
			for i := range group {
				group[i].multiple = true
			}
		case word == "[":
			var inner []argument
			inner, words = parseGroup(words)
			words = words[min(1, len(words)):]
			group = join(group, inner)
		default:
			group = addWord(group, word)
		}
	}
	if choices == nil {
		return group, words
	}
	choice := argument{name: "option", kind: "oneof"}
	for _, c := range append(choices, group) {
		choice.parts = append(choice.parts, block(c))
	}
	return []argument{choice}, words
}

// addWord appends an argument; a token and the word behind it are one.
func addWord(group []argument, word string) []argument {
	if word == strings.ToUpper(word) {
		return append(group, argument{name: strings.ToLower(word), kind: "pure-token", token: word})
	}
	kind := argumentKinds[word]
	if kind == "" {
		kind = "string"
	}
	if n := len(group); n > 0 && group[n-1].kind == "pure-token" {
		group[n-1].name, group[n-1].kind = word, kind
		return group
	}
	return append(group, argument{name: word, kind: kind})
}

// join appends what stood in brackets. "key [key ...]" is one argument that repeats.
func join(group, inner []argument) []argument {
	a := block(inner)
	if n := len(group); n > 0 && len(inner) > 0 && inner[0].multiple {
		if a.parts == nil && group[n-1].name == a.name {
			group[n-1].multiple = true
			return group
		}
		if size := len(inner); size <= n && group[n-size].name == inner[0].name {
			repeated := block(append([]argument{}, group[n-size:]...))
			repeated.multiple = true
			return append(group[:n-size], repeated)
		}
	}
	a.optional = true
	return append(group, a)
}

func block(arguments []argument) argument {
	if len(arguments) == 1 {
		return arguments[0]
	}
	return argument{name: "data", kind: "block", parts: arguments}
}

func (a *argument) append(b []byte, v3 bool) []byte {
	var marks []string
	if a.optional {
		marks = append(marks, "optional")
	}
	if a.multiple {
		marks = append(marks, "multiple")
	}
	pairs := 2 + btoi(a.token != "") + btoi(len(marks) > 0) + btoi(a.kind == "key") + btoi(len(a.parts) > 0)
	b = appendMap(b, pairs, v3)
	b = appendBulk(appendBulk(b, "name"), a.name)
	b = appendBulk(appendBulk(b, "type"), a.kind)
	if a.kind == "key" {
		b = appendInt(appendBulk(b, "key_spec_index"), int64(a.spec))
	}
	if a.token != "" {
		b = appendBulk(appendBulk(b, "token"), a.token)
	}
	if len(marks) > 0 {
		b = appendSet(appendBulk(b, "flags"), len(marks), v3)
		for _, m := range marks {
			b = appendStatus(b, m)
		}
	}
	if len(a.parts) > 0 {
		b = appendArguments(appendBulk(b, "arguments"), a.parts, v3)
	}
	return b
}

func appendArguments(b []byte, arguments []argument, v3 bool) []byte {
	b = appendArray(b, len(arguments))
	for i := range arguments {
		b = arguments[i].append(b, v3)
	}
	return b
}

// appendDocs describes one command as COMMAND DOCS does.
func (cmd *command) appendDocs(b []byte, v3 bool) []byte {
	arguments := parseSyntax(cmd.syntax)
	for i := range cmd.keyUses() {
		arguments[i].spec = i
	}
	b = appendMap(b, 3+btoi(len(arguments) > 0)+btoi(len(cmd.subs) > 0), v3)
	b = appendBulk(appendBulk(b, "summary"), cmd.summary)
	b = appendBulk(appendBulk(b, "since"), cmd.since)
	b = appendBulk(appendBulk(b, "group"), cmd.group)
	if len(arguments) > 0 {
		b = appendArguments(appendBulk(b, "arguments"), arguments, v3)
	}
	if len(cmd.subs) > 0 {
		b = appendMap(appendBulk(b, "subcommands"), len(cmd.subs), v3)
		for _, sub := range cmd.subs {
			b = sub.appendDocs(appendBulk(b, sub.name), v3)
		}
	}
	return b
}

// sortedNames are the commands in order.
func sortedNames() []string {
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
