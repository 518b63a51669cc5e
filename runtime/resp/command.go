package resp

import (
	"bytes"
	"strings"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// command is one row of the table: what COMMAND and COMMAND DOCS tell, what is checked before it runs, and how it runs.
//
// A command on keys has compile, which turns arguments into operations, and result, which turns each result into reply
// bytes. Any other command has run, which writes its reply at once.
type command struct {
	name    string // lower case; a subcommand's is "container|name"
	arity   int    // number of arguments with the name; -n: at least n
	flags   flags
	first   int // place of the first key, or shard channel; 0: there is none
	final   int // place of the last key; -1: the last argument, -2: the one before it; 0: the argument before the first says how many there are
	step    int // from key to key
	group   string
	since   string // the Redis version that brought it
	summary string
	syntax  string // the arguments, as in Redis' documentation: key [EX seconds | PX milliseconds] [key ...]

	compile func(q *request) error
	result  func(q *request, i int, r *store.Result)
	finish  func(q *request) // after all results; may be nil
	run     func(c *conn, q *request)
	subs    []*command
	byName  map[string]*command
}

type flags uint32

// The flags. Those with a name in flagNames are told to clients.
const (
	flagWrite     flags = 1 << iota // changes keys
	flagRead                        // reads keys
	flagDenyOOM                     // may need memory
	flagAdmin                       // concerns the server
	flagPubSub                      // concerns messages
	flagFast                        // takes time independent of how much is stored
	flagNoAuth                      // allowed before AUTH
	flagLoading                     // allowed while the log is replayed
	flagStale                       // allowed on a copy out of touch
	flagFan                         // may span slots: each slot is a transaction of its own
	flagBarrier                     // commands before it are answered before it runs
	flagNoMulti                     // refused inside MULTI
	flagImmediate                   // runs at once inside MULTI
	flagListening                   // allowed to a subscriber with protocol 2
	flagGives                       // replies with a value that it takes away
)

var flagNames = []struct {
	flag flags
	name string
}{
	{flagWrite, "write"}, {flagRead, "readonly"}, {flagDenyOOM, "denyoom"}, {flagAdmin, "admin"}, {flagPubSub, "pubsub"},
	{flagLoading, "loading"}, {flagStale, "stale"}, {flagFast, "fast"}, {flagNoAuth, "no_auth"}, {flagNoMulti, "no_multi"},
}

// table finds commands by lower-case name. It is filled once and never changes.
var table = buildTable()

func buildTable() map[string]*command {
	t := make(map[string]*command)
	for _, rows := range [][]command{stringRows, keyRows, transactionRows, pubsubRows, connectionRows, serverRows, diagnosisRows, memoryRows, clusterRows, replicationRows} {
		for i := range rows {
			cmd := &rows[i]
			t[cmd.name] = cmd
			if cmd.subs == nil {
				continue
			}
			cmd.byName = make(map[string]*command)
			cmd.subs = append(cmd.subs, helpOf(cmd))
			for _, sub := range cmd.subs {
				_, name, _ := strings.Cut(sub.name, "|")
				cmd.byName[name] = sub
				sub.group = cmd.group
			}
		}
	}
	return t
}

// maxName is longer than any command's name.
const maxName = 24

func findIn(t map[string]*command, name []byte) *command {
	var lower [maxName]byte
	if len(name) > maxName {
		return nil
	}
	for i, c := range name {
		if c-'A' < 26 {
			c |= 0x20
		}
		lower[i] = c
	}
	return t[string(lower[:len(name)])]
}

// find returns the row for the arguments, or the error that Redis gives for them: with the row if only their number is wrong.
func find(args [][]byte) (*command, error) {
	cmd := findIn(table, args[0])
	if cmd == nil {
		return nil, unknownCommand(args)
	}
	if cmd.byName != nil && len(args) > 1 {
		sub := findIn(cmd.byName, args[1])
		if sub == nil {
			return nil, replyError("ERR unknown subcommand '" + clip(args[1], 128) + "'. Try " + strings.ToUpper(cmd.name) + " HELP.")
		}
		cmd = sub
	}
	if cmd.arity > 0 && len(args) != cmd.arity || len(args) < -cmd.arity {
		return cmd, wrongArity(cmd)
	}
	return cmd, nil
}

// recent remembers the command that was found last, as the client spelt it: most pipelines repeat one.
type recent struct {
	cmd     *command
	spelt   [maxName]byte
	letters int
}

func (r *recent) find(args [][]byte) (*command, error) {
	if r.cmd != nil && string(args[0]) == string(r.spelt[:r.letters]) && (len(args) == r.cmd.arity || r.cmd.arity < 0 && len(args) >= -r.cmd.arity) {
		return r.cmd, nil
	}
	cmd, err := find(args)
	if err == nil && cmd.byName == nil && table[cmd.name] == cmd {
		r.cmd, r.letters = cmd, copy(r.spelt[:], args[0])
	}
	return cmd, err
}

func wrongArity(cmd *command) error {
	return replyError("ERR wrong number of arguments for '" + cmd.name + "' command")
}

// unknownCommand quotes the name and as many arguments as Redis does.
func unknownCommand(args [][]byte) error {
	var given strings.Builder
	for _, arg := range args[1:] {
		if given.Len() >= 128 {
			break
		}
		given.WriteString("'" + clip(arg, 128-given.Len()) + "' ")
	}
	return replyError("ERR unknown command '" + clip(args[0], 128) + "', with args beginning with: " + given.String())
}

// clip is at most n bytes of s, up to a zero byte, as C's %.*s prints it.
func clip(s []byte, n int) string {
	s = s[:min(len(s), n)]
	if end := bytes.IndexByte(s, 0); end >= 0 {
		s = s[:end]
	}
	return string(s)
}

// keys calls visit for the place of each key among the arguments.
func (cmd *command) keys(args [][]byte, visit func(i int)) {
	if cmd.first == 0 {
		return
	}
	last := cmd.final
	switch {
	case last < 0:
		last += len(args)
	case last == 0:
		n, ok := parseInt(args[cmd.first-1])
		if !ok || n > int64((len(args)-cmd.first)/cmd.step) { // which compile refuses
			return
		}
		last = cmd.first + cmd.step*int(n-1)
	}
	for i := cmd.first; i <= last && i < len(args); i += cmd.step {
		visit(i)
	}
}

// slot is the slot of all keys. If they differ, same is false.
func (cmd *command) slot(args [][]byte) (slot shards.Slot, same bool) {
	slot = shards.SlotOf(args[cmd.first])
	if cmd.final == cmd.first {
		return slot, true
	}
	same = true
	cmd.keys(args, func(i int) { same = same && shards.SlotOf(args[i]) == slot })
	return slot, same
}
