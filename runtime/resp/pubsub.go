package resp

import (
	"maps"
	"slices"
)

const flagsSubscribe = flagPubSub | flagLoading | flagStale | flagBarrier | flagNoMulti | flagListening

// pubsubRows are the commands on channels.
var pubsubRows = []command{
	{name: "subscribe", arity: -2, flags: flagsSubscribe, group: "pubsub", since: "2.0.0", summary: "Listens for messages published to channels.", syntax: "channel [channel ...]", run: subscribeTo(kindChannel)},
	{name: "psubscribe", arity: -2, flags: flagsSubscribe, group: "pubsub", since: "2.0.0", summary: "Listens for messages published to channels that match one or more patterns.", syntax: "pattern [pattern ...]", run: subscribeTo(kindPattern)},
	{name: "ssubscribe", arity: -2, flags: flagsSubscribe, first: 1, final: -1, step: 1, group: "pubsub", since: "7.0.0", summary: "Listens for messages published to shard channels.", syntax: "shardchannel [shardchannel ...]", run: subscribeTo(kindShard)},
	{name: "unsubscribe", arity: -1, flags: flagsSubscribe, group: "pubsub", since: "2.0.0", summary: "Stops listening to messages posted to channels.", syntax: "[channel [channel ...]]", run: unsubscribeFrom(kindChannel)},
	{name: "punsubscribe", arity: -1, flags: flagsSubscribe, group: "pubsub", since: "2.0.0", summary: "Stops listening to messages published to channels that match one or more patterns.", syntax: "[pattern [pattern ...]]", run: unsubscribeFrom(kindPattern)},
	{name: "sunsubscribe", arity: -1, flags: flagsSubscribe, first: 1, final: -1, step: 1, group: "pubsub", since: "7.0.0", summary: "Stops listening to messages posted to shard channels.", syntax: "[shardchannel [shardchannel ...]]", run: unsubscribeFrom(kindShard)},
	{name: "publish", arity: 3, flags: flagPubSub | flagLoading | flagStale | flagFast | flagBarrier, group: "pubsub", since: "2.0.0", summary: "Posts a message to a channel.", syntax: "channel message", run: publishTo(kindChannel)},
	{name: "spublish", arity: 3, flags: flagPubSub | flagLoading | flagStale | flagFast | flagBarrier, first: 1, final: 1, step: 1, group: "pubsub", since: "7.0.0", summary: "Post a message to a shard channel", syntax: "shardchannel message", run: publishTo(kindShard)},
	{name: "pubsub", arity: -2, flags: flagPubSub | flagLoading | flagStale, group: "pubsub", since: "2.8.0", summary: "A container for Pub/Sub commands.", run: runArity,
		subs: []*command{
			{name: "pubsub|channels", arity: -2, flags: flagPubSub | flagLoading | flagStale, since: "2.8.0", summary: "Returns the active channels.", syntax: "[pattern]", run: listChannels(kindChannel)},
			{name: "pubsub|shardchannels", arity: -2, flags: flagPubSub | flagLoading | flagStale, since: "7.0.0", summary: "Returns the active shard channels.", syntax: "[pattern]", run: listChannels(kindShard)},
			{name: "pubsub|numsub", arity: -2, flags: flagPubSub | flagLoading | flagStale, since: "2.8.0", summary: "Returns a count of subscribers to channels.", syntax: "[channel [channel ...]]", run: countListeners(kindChannel)},
			{name: "pubsub|shardnumsub", arity: -2, flags: flagPubSub | flagLoading | flagStale, since: "7.0.0", summary: "Returns the count of subscribers of shard channels.", syntax: "[shardchannel [shardchannel ...]]", run: countListeners(kindShard)},
			{name: "pubsub|numpat", arity: 2, flags: flagPubSub | flagLoading | flagStale, since: "2.8.0", summary: "Returns a count of unique pattern subscriptions.", run: runNumPat},
		}},
}

// confirmations are the first words of the replies, by kind.
var (
	joined = [kinds]string{"subscribe", "psubscribe", "ssubscribe"}
	parted = [kinds]string{"unsubscribe", "punsubscribe", "sunsubscribe"}
)

// maxSubscriptions bounds what one connection can make the hub remember.
const maxSubscriptions = 1 << 16

func subscribeTo(kind channelKind) func(*conn, *request) {
	return func(c *conn, q *request) {
		c.listen()
		if c.sub.count()+len(q.args) > maxSubscriptions {
			q.fail(replyError("ERR too many subscriptions"))
			return
		}
		for _, name := range q.args[1:] {
			if kind == kindPattern && len(name) > maxPattern {
				q.out = appendError(q.out, string(errPattern))
				continue
			}
			if _, there := c.sub.names[kind][string(name)]; !there && !c.names.resize(c.names.size+int64(len(name))+nameCost) {
				q.out = appendError(q.out, string(errHeld))
				continue
			}
			c.s.hub.join(c.sub, kind, string(name))
		}
		c.facts.listen(c.sub)
	}
}

// nameCost is what a subscription costs beside its name.
const nameCost = 128

// confirmation is the reply to a change of one subscription; a nil name says that there was none.
func confirmation(word string, name *string, count int, v3 bool) []byte {
	b := appendBulk(appendPush(nil, 3, v3), word)
	if name == nil {
		b = appendNull(b, v3)
	} else {
		b = appendBulk(b, *name)
	}
	return appendInt(b, int64(count))
}

func unsubscribeFrom(kind channelKind) func(*conn, *request) {
	return func(c *conn, q *request) {
		c.listen()
		var names []string
		for _, name := range q.args[1:] {
			names = append(names, string(name))
		}
		if names == nil {
			names = slices.Sorted(maps.Keys(c.sub.names[kind]))
		}
		for i := range names {
			if _, there := c.sub.names[kind][names[i]]; there {
				c.names.must(c.names.size - int64(len(names[i])) - nameCost)
			}
			c.s.hub.part(c.sub, kind, &names[i])
		}
		if names == nil {
			c.s.hub.part(c.sub, kind, nil)
		}
		c.facts.listen(c.sub)
	}
}

// listen makes the connection a subscriber. What it has been answered so far is written before any message.
func (c *conn) listen() {
	c.flush(c.batch)
	if c.sub == nil {
		c.sub = newSubscriber(c)
	}
}

// publishTo replies with the number of receivers on this node, as in a Redis cluster.
func publishTo(kind channelKind) func(*conn, *request) {
	return func(c *conn, q *request) {
		q.out = appendInt(q.out, c.s.hub.publish(kind, q.args[1], q.args[2]))
		if c.s.messenger != nil {
			c.s.messenger.Publish(kind == kindShard, q.args[1], q.args[2])
		}
	}
}

// Deliver hands a message that was published on another node to the subscribers of this one, and says how many there are.
// It never waits for them. sharded: by SPUBLISH. channel and message may be used again when it returns.
func (s *Server) Deliver(sharded bool, channel, message []byte) (receivers int64) {
	kind := kindChannel
	if sharded {
		kind = kindShard
	}
	return s.hub.publish(kind, channel, message)
}

func listChannels(kind channelKind) func(*conn, *request) {
	return func(c *conn, q *request) {
		var pattern []byte
		switch {
		case len(q.args) > 3:
			q.fail(wrongArity(q.cmd))
			return
		case len(q.args) == 3 && len(q.args[2]) > maxPattern:
			q.fail(errPattern)
			return
		case len(q.args) == 3:
			pattern = q.args[2]
		}
		q.out = appendBulks(q.out, c.s.hub.names(kind, pattern)...)
	}
}

func countListeners(kind channelKind) func(*conn, *request) {
	return func(c *conn, q *request) {
		q.out = appendMap(q.out, len(q.args)-2, false)
		for _, name := range q.args[2:] {
			q.out = appendInt(appendBulk(q.out, name), int64(c.s.hub.count(kind, string(name))))
		}
	}
}

func runNumPat(c *conn, q *request) {
	q.out = appendInt(q.out, int64(len(c.s.hub.names(kindPattern, nil))))
}
