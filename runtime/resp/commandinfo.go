package resp

import "strings"

// The rows of COMMAND read the table that they are in, so their run fields are filled here.
func init() {
	container := table["command"]
	container.run = runCommandInfo
	for name, run := range map[string]func(*conn, *request){
		"count": runCommandCount, "list": runCommandList, "info": runCommandInfo, "docs": runCommandDocs, "getkeys": runGetKeys,
	} {
		container.byName[name].run = run
	}
}

func runCommandCount(_ *conn, q *request) { q.out = appendInt(q.out, int64(len(table))) }

func runCommandList(_ *conn, q *request) {
	names := sortedNames()
	switch {
	case len(q.args) == 5 && upper(q.args[2]) == "FILTERBY" && upper(q.args[3]) == "PATTERN" && len(q.args[4]) <= maxPattern:
		var kept []string
		for _, name := range names {
			if match(q.args[4], []byte(name)) {
				kept = append(kept, name)
			}
		}
		names = kept
	case len(q.args) > 2:
		q.fail(errSyntax)
		return
	}
	q.out = appendBulks(q.out, names...)
}

// named finds the row that a client means by "get" or "client|id"; nil if there is none.
func named(name []byte) *command {
	container, _, sub := strings.Cut(string(name), "|")
	cmd := findIn(table, []byte(container))
	if !sub || cmd == nil {
		return cmd
	}
	return findIn(cmd.byName, name[len(container)+1:])
}

func runCommandInfo(_ *conn, q *request) {
	if len(q.args) <= 2 {
		names := sortedNames()
		q.out = appendArray(q.out, len(names))
		for _, name := range names {
			q.out = table[name].appendInfo(q.out, q.v3)
		}
		return
	}
	q.out = appendArray(q.out, len(q.args)-2)
	for _, name := range q.args[2:] {
		if cmd := named(name); cmd != nil {
			q.out = cmd.appendInfo(q.out, q.v3)
		} else {
			q.out = appendNull(q.out, q.v3)
		}
	}
}

func runCommandDocs(_ *conn, q *request) {
	var rows []*command
	for _, name := range q.args[2:] {
		if cmd := named(name); cmd != nil {
			rows = append(rows, cmd)
		}
	}
	if len(q.args) == 2 {
		for _, name := range sortedNames() {
			rows = append(rows, table[name])
		}
	}
	q.out = appendMap(q.out, len(rows), q.v3)
	for _, cmd := range rows {
		q.out = cmd.appendDocs(appendBulk(q.out, cmd.name), q.v3)
	}
}

func runGetKeys(_ *conn, q *request) {
	args := q.args[2:]
	cmd, err := find(args)
	if cmd == nil {
		q.fail(replyError("ERR Invalid command specified"))
		return
	}
	if err != nil {
		q.fail(replyError("ERR Invalid number of arguments specified for command"))
		return
	}
	var keys []string
	if !cmd.channels() {
		cmd.keys(args, func(i int) { keys = append(keys, string(args[i])) })
	}
	if len(keys) == 0 {
		q.fail(replyError("ERR The command has no key arguments"))
		return
	}
	q.out = appendBulks(q.out, keys...)
}

// appendInfo describes one command as COMMAND INFO does, in Redis 7's ten elements.
func (cmd *command) appendInfo(b []byte, v3 bool) []byte {
	b = appendBulk(appendArray(b, 10), cmd.name)
	b = appendInt(b, int64(cmd.arity))
	b = appendWords(b, cmd.flagWords(), v3)
	if cmd.counted() {
		b = appendInt(appendInt(appendInt(b, 0), 0), 0)
	} else {
		b = appendInt(appendInt(appendInt(b, int64(cmd.first)), int64(cmd.final)), int64(cmd.step))
	}
	b = appendWords(b, cmd.categories(), v3)
	b = appendArray(b, 0)
	b = cmd.appendKeySpecs(b, v3)
	b = appendArray(b, len(cmd.subs))
	for _, sub := range cmd.subs {
		b = sub.appendInfo(b, v3)
	}
	return b
}

func appendWords(b []byte, words []string, v3 bool) []byte {
	b = appendSet(b, len(words), v3)
	for _, word := range words {
		b = appendStatus(b, word)
	}
	return b
}

func (cmd *command) flagWords() (words []string) {
	for _, f := range flagNames {
		if cmd.flags&f.flag != 0 {
			words = append(words, f.name)
		}
	}
	if cmd.counted() {
		words = append(words, "movablekeys")
	}
	return words
}

// categories are Redis' ACL categories.
func (cmd *command) categories() (words []string) {
	add := func(yes bool, word string) {
		if yes {
			words = append(words, "@"+word)
		}
	}
	add(cmd.group == "string", "string")
	add(cmd.group == "generic", "keyspace")
	add(cmd.group == "connection", "connection")
	add(cmd.group == "transactions", "transaction")
	add(cmd.flags&flagPubSub != 0, "pubsub")
	add(cmd.flags&flagWrite != 0, "write")
	add(cmd.flags&flagRead != 0, "read")
	add(cmd.flags&flagAdmin != 0, "admin")
	add(cmd.flags&flagAdmin != 0, "dangerous")
	add(cmd.flags&flagFast != 0, "fast")
	add(cmd.flags&flagFast == 0, "slow")
	return words
}
