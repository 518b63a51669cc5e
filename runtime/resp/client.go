package resp

import (
	"net"
	"sync"
	"time"
)

// errClientName refuses names that would break the lines of CLIENT LIST.
const errClientName = replyError("ERR Client names cannot contain spaces, newlines or special characters.")

// clientFacts are what other connections may see of one. Safe for concurrent use.
type clientFacts struct {
	mu       sync.Mutex
	since    time.Time
	remote   string
	local    string
	name     string
	library  string
	version  string
	space    int
	authed   bool
	listens  [kinds]int // subscriptions
	readonly bool
	v3       bool
}

func (f *clientFacts) set(nc net.Conn, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.since, f.remote, f.local = now, nc.RemoteAddr().String(), nc.LocalAddr().String()
}

func (f *clientFacts) change(edit func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	edit()
}

func (f *clientFacts) rename(name string) { f.change(func() { f.name = name }) }
func (f *clientFacts) choose(space int)   { f.change(func() { f.space = space }) }
func (f *clientFacts) admit()             { f.change(func() { f.authed = true }) }
func (f *clientFacts) speak(v3 bool)      { f.change(func() { f.v3 = v3 }) }
func (f *clientFacts) stale(yes bool)     { f.change(func() { f.readonly = yes }) }
func (f *clientFacts) reset(authed bool) {
	f.change(func() {
		f.name, f.space, f.authed, f.listens, f.readonly, f.v3 = "", 0, authed, [kinds]int{}, false, false
	})
}

// listen notes how many subscriptions there are.
func (f *clientFacts) listen(s *subscriber) {
	f.change(func() {
		for kind, names := range s.names {
			f.listens[kind] = len(names)
		}
	})
}

func (f *clientFacts) isAuthed() (yes bool) { f.change(func() { yes = f.authed }); return yes }
func (f *clientFacts) isListening() (yes bool) {
	f.change(func() { yes = f.listens != [kinds]int{} })
	return yes
}

var clientRows = []*command{
	{name: "client|id", arity: 2, flags: flagsSession, since: "5.0.0", summary: "Returns the unique client ID of the connection.", run: runClientID},
	{name: "client|info", arity: 2, flags: flagsSession, since: "6.2.0", summary: "Returns information about the connection.", run: runClientInfo},
	{name: "client|list", arity: -2, flags: flagAdmin | flagLoading | flagStale, since: "2.4.0", summary: "Lists open connections.", syntax: "[TYPE type] [ID client-id [client-id ...]]", run: runClientList},
	{name: "client|getname", arity: 2, flags: flagsSession, since: "2.6.9", summary: "Returns the name of the connection.", run: runClientGetName},
	{name: "client|setname", arity: 3, flags: flagsSession, since: "2.6.9", summary: "Sets the connection name.", syntax: "connection-name", run: runClientSetName},
	{name: "client|setinfo", arity: 4, flags: flagsSession, since: "7.2.0", summary: "Sets information specific to the client or connection.", syntax: "attr value", run: runClientSetInfo},
	{name: "client|kill", arity: -3, flags: flagAdmin | flagLoading | flagStale, since: "2.4.0", summary: "Terminates open connections.", syntax: "addr | [ID client-id] [TYPE type] [USER username] [ADDR addr] [LADDR addr] [SKIPME yes/no]", run: runClientKill},
	{name: "client|pause", arity: -3, flags: flagAdmin | flagLoading | flagStale, since: "3.0.0", summary: "Suspends commands processing.", syntax: "timeout [WRITE | ALL]", run: runClientPause},
	{name: "client|unpause", arity: 2, flags: flagAdmin | flagLoading | flagStale, since: "6.2.0", summary: "Resumes processing commands from paused clients.", run: runClientUnpause},
	{name: "client|reply", arity: 3, flags: flagsSession, since: "3.2.0", summary: "Instructs the server whether to reply to commands.", syntax: "ON | OFF | SKIP", run: runClientReply},
	{name: "client|no-evict", arity: 3, flags: flagAdmin | flagsSession, since: "7.0.0", summary: "Sets the client eviction mode of the connection.", syntax: "ON | OFF", run: runOnOff},
	{name: "client|no-touch", arity: 3, flags: flagsSession, since: "7.2.0", summary: "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.", syntax: "ON | OFF", run: runOnOff},
	{name: "client|maint_notifications", arity: -3, flags: flagsSession, since: "8.4.0", summary: "Has the connection told when shards have another primary.", syntax: "ON | OFF [MOVING-ENDPOINT-TYPE type]", run: runMaintNotifications},
	{name: "client|tracking", arity: -3, flags: flagsSession, since: "6.0.0", summary: "Controls server-assisted client-side caching for the connection.", syntax: "ON | OFF", run: runTracking},
}

func runClientID(c *conn, q *request) { q.out = appendInt(q.out, c.id) }

func runClientGetName(c *conn, q *request) {
	name := ""
	c.facts.change(func() { name = c.facts.name })
	if name == "" {
		q.out = appendNull(q.out, q.v3)
		return
	}
	q.out = appendBulk(q.out, name)
}

func runClientSetName(c *conn, q *request) {
	if !printableWord(q.args[2]) {
		q.fail(errClientName)
		return
	}
	c.facts.rename(string(q.args[2]))
	q.out = appendStatus(q.out, "OK")
}

func printableWord(s []byte) bool {
	for _, c := range s {
		if c < '!' || c > '~' {
			return false
		}
	}
	return len(s) <= 1<<10
}

func runClientSetInfo(c *conn, q *request) {
	value := q.args[3]
	if !printableWord(value) {
		q.fail(replyError("ERR " + upper(q.args[2]) + " cannot contain spaces, newlines or special characters."))
		return
	}
	switch upper(q.args[2]) {
	case "LIB-NAME":
		c.facts.change(func() { c.facts.library = string(value) })
	case "LIB-VER":
		c.facts.change(func() { c.facts.version = string(value) })
	default:
		q.fail(replyError("ERR Unrecognized option '" + clip(q.args[2], 128) + "'"))
		return
	}
	q.out = appendStatus(q.out, "OK")
}

func runClientReply(c *conn, q *request) {
	switch upper(q.args[2]) {
	case "ON":
		c.replies, q.silent = replyOn, false
		q.out = appendStatus(q.out, "OK")
	case "OFF":
		c.replies, q.silent = replyOff, true
	case "SKIP":
		c.asides.skipNext, q.silent = c.replies == replyOn, true
	default:
		q.fail(errSyntax)
	}
}

// runOnOff takes a switch that has no effect here: no client's buffers are evicted, they are bounded.
func runOnOff(_ *conn, q *request) {
	if word := upper(q.args[2]); word != "ON" && word != "OFF" {
		q.fail(errSyntax)
		return
	}
	q.out = appendStatus(q.out, "OK")
}

// runTracking refuses to begin what is not begun.
func runTracking(_ *conn, q *request) {
	if upper(q.args[2]) == "OFF" {
		q.out = appendStatus(q.out, "OK")
		return
	}
	q.fail(replyError("ERR client-side caching is not supported"))
}
