package resp

import (
	"slices"
	"strings"
)

// uses are what commands do with their keys, in Redis' words: RO, RW, OW or RM (keeps, changes, replaces or removes what the
// server has under them) and what the client gets of the value or does to it. A command with two treats its second key
// otherwise than its first. Commands that are not here give what they read, or change it.
var uses = map[string][]string{
	"del": {"RM delete"}, "unlink": {"RM delete"}, "getdel": {"RW access delete"},
	"exists": {"RO"}, "touch": {"RO"}, "type": {"RO"}, "strlen": {"RO"}, "watch": {"RO"}, "memory|usage": {"RO"},
	"object|encoding": {"RO"}, "object|refcount": {"RO"}, "object|idletime": {"RO"}, "object|freq": {"RO"},
	"rename": {"RW access delete", "OW update"}, "renamenx": {"RW access delete", "OW insert"}, "copy": {"RO access", "OW update"},
	"restore": {"OW update"}, "setex": {"OW update"}, "psetex": {"OW update"}, "mset": {"OW update"}, "msetex": {"OW update"},
	"setnx": {"OW insert"}, "msetnx": {"OW insert"}, "append": {"RW insert"},
	"set": {"RW access update variable_flags"}, "getset": {"RW access update"}, "getex": {"RW access update"},
	"incr": {"RW access update"}, "decr": {"RW access update"}, "incrby": {"RW access update"}, "decrby": {"RW access update"},
	"incrbyfloat": {"RW access update"},
	"spublish":    {notKey}, "ssubscribe": {notKey}, "sunsubscribe": {notKey},
}

// notKey is the use of a channel: its slot tells a client where to send the command, and nothing is under it.
const notKey = "not_key"

// keyUses are the uses of a command's keys, one for each key specification.
func (cmd *command) keyUses() []string {
	switch special := uses[cmd.name]; {
	case cmd.first == 0:
		return nil
	case special != nil:
		return special
	case cmd.flags&flagWrite != 0:
		return []string{"RW update"}
	}
	return []string{"RO access"}
}

// channels says that what stands where other commands have their keys is none.
func (cmd *command) channels() bool { return slices.Contains(cmd.keyUses(), notKey) }

// counted says that an argument tells how many keys there are.
func (cmd *command) counted() bool { return cmd.first > 0 && cmd.final == 0 }

// appendKeySpecs tells where the keys are: a range from an index on, as many as an argument says, or each at its own index.
func (cmd *command) appendKeySpecs(b []byte, v3 bool) []byte {
	specs := cmd.keyUses()
	b = appendSet(b, len(specs), v3)
	for i, use := range specs {
		first, last := cmd.first+i, cmd.final
		switch {
		case len(specs) > 1:
			last = 0
		case last > 0:
			last -= first
		}
		b = cmd.appendKeySpec(b, use, first, last, v3)
	}
	return b
}

func (cmd *command) appendKeySpec(b []byte, use string, first, last int, v3 bool) []byte {
	b = appendMap(b, 3, v3)
	b = appendWords(appendBulk(b, "flags"), strings.Fields(use), v3)
	b = appendMap(appendBulk(b, "begin_search"), 2, v3)
	b = appendBulk(appendBulk(b, "type"), "index")
	if cmd.counted() {
		first--
	}
	b = appendInt(appendBulk(appendMap(appendBulk(b, "spec"), 1, v3), "index"), int64(first))
	b = appendMap(appendBulk(b, "find_keys"), 2, v3)
	if cmd.counted() {
		b = appendMap(appendBulk(appendBulk(appendBulk(b, "type"), "keynum"), "spec"), 3, v3)
		b = appendInt(appendBulk(b, "keynumidx"), 0)
		b = appendInt(appendBulk(b, "firstkey"), 1)
		return appendInt(appendBulk(b, "keystep"), int64(cmd.step))
	}
	b = appendBulk(appendBulk(b, "type"), "range")
	b = appendMap(appendBulk(b, "spec"), 3, v3)
	b = appendInt(appendBulk(b, "lastkey"), int64(last))
	b = appendInt(appendBulk(b, "keystep"), int64(cmd.step))
	return appendInt(appendBulk(b, "limit"), 0)
}
