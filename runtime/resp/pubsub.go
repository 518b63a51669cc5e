package resp

import "sort"

const flagsSubscribe = flagPubSub | flagLoading | flagStale | flagBarrier | flagNoMulti | flagListening

// pubsubRows are the commands on channels.
var pubsubRows = []command{
	{name: "subscribe", arity: -2, flags: flagsSubscribe, group: "pubsub", since: "2.0.0", summary: "Listens for messages published to channels.", syntax: "channel [channel ...]", run: subscribeTo(kindChannel)},
	{name: "psubscribe", arity: -2, flags: flagsSubscribe, group: "pubsub", since: "2.0.0", summary: "Listens for messages published to channels that match one or more patterns.", syntax: "pattern [pattern ...]", run: subscribeTo(kindPattern)},
	{name: "ssubscribe", arity: -2, flags: flagsSubscribe, group: "pubsub", since: "7.0.0", summary: "Listens for messages published to shard channels.", syntax: "shardchannel [shardchannel ...]", run: subscribeTo(kindShard)},
	{name: "unsubscribe", arity: -1, flags: flagsSubscribe, group: "pubsub", since: "2.0.0", summary: "Stops listening to messages posted to channels.", syntax: "[channel [channel ...]]", run: unsubscribeFrom(kindChannel)},
	{name: "punsubscribe", arity: -1, flags: flagsSubscribe, group: "pubsub", since: "2.0.0", summary: "Stops listening to messages published to channels that match one or more patterns.", syntax: "[pattern [pattern ...]]", run: unsubscribeFrom(kindPattern)},
	{name: "sunsubscribe", arity: -1, flags: flagsSubscribe, group: "pubsub", since: "7.0.0", summary: "Stops listening to messages posted to shard channels.", syntax: "[shardchannel [shardchannel ...]]", run: unsubscribeFrom(kindShard)},
	{name: "publish", arity: 3, flags: flagPubSub | flagLoading | flagStale | flagFast, group: "pubsub", since: "2.0.0", summary: "Posts a message to a channel.", syntax: "channel message", run: publishTo(kindChannel)},
	{name: "spublish", arity: 3, flags: flagPubSub | flagLoading | flagStale | flagFast, group: "pubsub", since: "7.0.0", summary: "Post a message to a shard channel", syntax: "shardchannel message", run: publishTo(kindShard)},
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
		if c.sub == nil {
			c.sub = newSubscriber(c)
			c.facts.listen()
		}
		if c.sub.count()+len(q.args) > maxSubscriptions {
			q.fail(replyError("ERR too many subscriptions"))
			return
		}
		c.sub.hold()
		for _, name := range q.args[1:] {
			if kind == kindPattern && len(name) > maxPattern {
				q.out = appendError(q.out, string(errPattern))
				continue
			}
			c.s.hub.join(c.sub, kind, string(name))
			q.confirm(joined[kind], name, c.sub.tally(kind))
		}
	}
}

// tally is the number that Redis tells: shard channels are counted apart.
func (s *subscriber) tally(kind channelKind) int {
	if kind == kindShard {
		return len(s.names[kindShard])
	}
	return len(s.names[kindChannel]) + len(s.names[kindPattern])
}

func (q *request) confirm(word string, name []byte, count int) {
	q.out = appendBulk(appendPush(q.out, 3, q.v3), word)
	if name == nil {
		q.out = appendNull(q.out, q.v3)
	} else {
		q.out = appendBulk(q.out, name)
	}
	q.out = appendInt(q.out, int64(count))
}

func unsubscribeFrom(kind channelKind) func(*conn, *request) {
	return func(c *conn, q *request) {
		if c.sub == nil {
			c.sub = newSubscriber(c)
		}
		c.sub.hold()
		names := q.args[1:]
		if len(names) == 0 {
			for name := range c.sub.names[kind] {
				names = append(names, []byte(name))
			}
			sort.Slice(names, func(i, j int) bool { return string(names[i]) < string(names[j]) })
		}
		for _, name := range names {
			c.s.hub.part(c.sub, kind, string(name))
			q.confirm(parted[kind], name, c.sub.tally(kind))
		}
		if len(names) == 0 {
			q.confirm(parted[kind], nil, c.sub.tally(kind))
		}
	}
}

func publishTo(kind channelKind) func(*conn, *request) {
	return func(c *conn, q *request) { q.out = appendInt(q.out, c.s.hub.publish(kind, q.args[1], q.args[2])) }
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
