package resp

import (
	"crypto/sha256"
	"crypto/subtle"
)

const flagsSession = flagFast | flagLoading | flagStale

// connectionRows are the commands about the connection itself.
var connectionRows = []command{
	{name: "ping", arity: -1, flags: flagFast | flagListening, group: "connection", since: "1.0.0", summary: "Returns the server's liveliness response.", syntax: "[message]", run: runPing},
	{name: "echo", arity: 2, flags: flagsSession, group: "connection", since: "1.0.0", summary: "Returns the given string.", syntax: "message", run: runEcho},
	{name: "quit", arity: -1, flags: flagsSession | flagNoAuth | flagImmediate | flagListening, group: "connection", since: "1.0.0", summary: "Closes the connection.", run: runQuit},
	{name: "reset", arity: 1, flags: flagsSession | flagNoAuth | flagImmediate | flagListening | flagBarrier, group: "connection", since: "6.2.0", summary: "Resets the connection.", run: runReset},
	{name: "select", arity: 2, flags: flagsSession | flagBarrier | flagNoMulti, group: "connection", since: "1.0.0", summary: "Changes the selected database.", syntax: "index | name", run: runSelect},
	{name: "auth", arity: -2, flags: flagsSession | flagNoAuth | flagNoMulti, group: "connection", since: "1.0.0", summary: "Authenticates the connection.", syntax: "[username] password", run: runAuth},
	{name: "hello", arity: -1, flags: flagsSession | flagNoAuth | flagNoMulti | flagBarrier, group: "connection", since: "6.0.0", summary: "Handshakes with the Redis server.",
		syntax: "[protover [AUTH username password] [SETNAME clientname]]", run: runHello},
	{name: "client", arity: -2, flags: flagLoading | flagStale, group: "connection", since: "2.4.0", summary: "A container for client connection commands.", run: runArity, subs: clientRows},
}

func runPing(c *conn, q *request) {
	switch {
	case len(q.args) > 2:
		q.fail(wrongArity(q.cmd))
	case c.sub != nil && !c.v3 && c.sub.count() > 0:
		q.out = appendBulk(appendArray(q.out, 2), "pong")
		if len(q.args) == 2 {
			q.out = appendBulk(q.out, q.args[1])
		} else {
			q.out = appendBulk(q.out, "")
		}
	case len(q.args) == 2:
		q.out = appendBulk(q.out, q.args[1])
	default:
		q.out = append(q.out, "+PONG\r\n"...)
	}
}

func runEcho(_ *conn, q *request) { q.out = appendBulk(q.out, q.args[1]) }

func runQuit(c *conn, q *request) {
	c.quit = true
	q.out = appendStatus(q.out, "OK")
}

// runReset brings the connection back to its first state, authentication included.
func runReset(c *conn, q *request) {
	c.tx, c.watched, c.space, c.replies = nil, nil, 0, replyOn
	c.mapReader, c.readonly, c.notices, c.wrote = false, false, false, 0
	if c.sub != nil {
		c.s.hub.leave(c.sub)
		c.names.must(0)
	}
	c.speak(false)
	c.authed = c.s.config.Password == ""
	c.facts.reset(c.authed)
	q.silent = false
	q.out = appendStatus(q.out, "RESET")
}

// speak chooses the protocol version, for messages to a subscriber too.
func (c *conn) speak(v3 bool) {
	c.v3 = v3
	c.facts.speak(v3)
	if c.sub != nil {
		c.s.hub.mu.Lock()
		c.sub.v3 = v3
		c.s.hub.mu.Unlock()
	}
}

func runSelect(c *conn, q *request) {
	place, err := c.spaceOf(q.args[1])
	if err != nil {
		q.fail(err)
		return
	}
	if place != c.space {
		c.watched, c.wrote = nil, 0 // guards hold within one keyspace only
	}
	c.space = place
	c.facts.choose(place)
	q.out = appendStatus(q.out, "OK")
}

func runAuth(c *conn, q *request) {
	user, password := []byte("default"), q.args[len(q.args)-1]
	switch {
	case len(q.args) > 3:
		q.fail(errSyntax)
		return
	case len(q.args) == 3:
		user = q.args[1]
	case c.s.config.Password == "":
		q.fail(replyError("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"))
		return
	}
	if !c.login(user, password) {
		q.fail(errWrongPass)
		return
	}
	q.out = appendStatus(q.out, "OK")
}

// login compares digests in constant time, so that neither content nor length of the password can be timed.
func (c *conn) login(user, password []byte) bool {
	want, got := sha256.Sum256([]byte(c.s.config.Password)), sha256.Sum256(password)
	right := subtle.ConstantTimeCompare(want[:], got[:]) == 1 || c.s.config.Password == ""
	if !right || string(user) != "default" {
		return false
	}
	c.authed = true
	c.facts.admit()
	return true
}

// runHello negotiates the protocol; nothing changes if any of its options is wrong.
func runHello(c *conn, q *request) {
	v3 := c.v3
	if len(q.args) > 1 {
		version, ok := parseInt(q.args[1])
		if !ok {
			q.fail(replyError("ERR Protocol version is not an integer or out of range"))
			return
		}
		if version != 2 && version != 3 {
			q.fail(errNoProto)
			return
		}
		v3 = version == 3
	}
	name, err := c.helloOptions(q.args[min(2, len(q.args)):])
	if err != nil {
		q.fail(err)
		return
	}
	if !c.authed {
		q.fail(replyError("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time"))
		return
	}
	if name != nil {
		c.facts.rename(string(name))
	}
	c.speak(v3)
	q.v3 = v3
	b := appendMap(q.out, 7, v3)
	b = appendBulk(appendBulk(b, "server"), "redis")
	b = appendBulk(appendBulk(b, "version"), compatible)
	b = appendInt(appendBulk(b, "proto"), int64(2+btoi(v3)))
	b = appendInt(appendBulk(b, "id"), c.id)
	b = appendBulk(appendBulk(b, "mode"), "cluster")
	b = appendBulk(appendBulk(b, "role"), "master")
	q.out = appendArray(appendBulk(b, "modules"), 0)
}

func (c *conn) helloOptions(words [][]byte) (name []byte, err error) {
	for i := 0; i < len(words); i++ {
		switch option := upper(words[i]); {
		case option == "AUTH" && i+2 < len(words):
			if !c.login(words[i+1], words[i+2]) {
				return nil, errWrongPass
			}
			i += 2
		case option == "SETNAME" && i+1 < len(words):
			i++
			if name = words[i]; !printableWord(name) {
				return nil, errClientName
			}
		default:
			return nil, replyError("ERR Syntax error in HELLO option '" + clip(words[i], 128) + "'")
		}
	}
	return name, nil
}
