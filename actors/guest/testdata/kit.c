// An actor that does what its caller says: the payload is a JSON string with commands, parted by ';', their words by blanks. What they find is
// appended to a text, which is the reply. The upper case commands are what no guest should do.
//
//	p KEY VALUE   g KEY   d KEY   s PREFIX   n CURSOR   c CURSOR ROOM
//	t TO METHOD [JSON]   a TO METHOD [JSON]   m NAME AFTER EVERY METHOD [JSON]   f NAME
//	r JSON   x   e TEXT   y REASON   q NUMBER   h   w   l TEXT   b KEY BYTES
//	L   R   M PAGES   U   B   F TIMES TO METHOD   Z   J   K BYTES   O
#include "act.h"

static u8 inbox[1 << 16] __attribute__((aligned(16)));
static u8 text[1 << 14];
static u8 scratch[1 << 13];
static u32 filled;
static u32 handled; // what a guest must not count on
static volatile u32 sink;

EXPORT("act_inbox") void *act_inbox(u32 size) { return size <= sizeof inbox ? inbox : 0; }

static void say(const void *from, u32 n) {
	const u8 *p = from;
	for (u32 i = 0; i < n && filled < sizeof text - 2; i++)
		text[filled++] = p[i] < ' ' || p[i] == '"' || p[i] == '\\' ? '?' : p[i];
}

static void say_number(u64 n) {
	u8 digits[20];
	u32 at = sizeof digits;
	do
		digits[--at] = '0' + n % 10;
	while (n /= 10);
	say(digits + at, sizeof digits - at);
}

struct words {
	const u8 *at[6];
	u32 n[6];
	u32 count;
};

static u64 value(struct words *w, u32 i) {
	u64 n = 0;
	for (u32 k = 0; i < w->count && k < w->n[i]; k++)
		n = n * 10 + (w->at[i][k] - '0');
	return n;
}

static u32 deep(u32 n) { // the address of a local keeps the compiler from making a loop of it
	volatile u32 here = n;
	return here == NONE ? 0 : deep(here + 1) + here;
}

static void step(u32 cursor, u32 room) {
	u32 n = act_next(cursor, scratch, room);
	if (n == NONE)
		say(".", 1);
	else if (n > room)
		say_number(n);
	else {
		u32 key = *(u32 *)scratch;
		say(scratch + 4, key);
		say("=", 1);
		say(scratch + 4 + key, n - 4 - key);
	}
}

static void wonder(void) {
	const struct envelope *e = (const struct envelope *)inbox;
	say(inbox + e->self, e->self_len);
	say("|", 1);
	say(inbox + e->sender, e->sender_len);
	say("|", 1);
	say(inbox + e->method, e->method_len);
	say("|", 1);
	say_number(e->now);
	say("|", 1);
	say_number(e->token);
	say("|", 1);
	say_number(e->status);
}

// misbehave does what a host has to stop.
static void misbehave(struct words *w) {
	switch (w->at[0][0]) {
	case 'L':
		for (;;)
			sink++;
	case 'R':
		sink = deep(0);
		return;
	case 'M':
		say_number(__builtin_wasm_memory_grow(0, value(w, 1)) == ~(__SIZE_TYPE__)0);
		return;
	case 'U':
		__builtin_trap();
	case 'B':
		act_put((void *)0xfffffff0u, 64, text, 1);
		return;
	case 'F':
		for (u64 i = 0; i < value(w, 1); i++)
			act_tell(w->at[2], w->n[2], w->at[3], w->n[3], 0, 0);
		return;
	case 'Z':
		act_put(text, 0, text, 1);
		return;
	case 'J':
		act_reply("{", 1);
		return;
	case 'K':
		act_put("k", 1, inbox, value(w, 1));
		return;
	case 'O':
		act_next(7, scratch, 1);
		return;
	}
}

// run carries out one command; 0 goes on to the next, anything else is what act_handle gives.
static int run(struct words *w) {
	static u8 bytes[8];
	u32 n;
	const void *json = w->count > 3 ? w->at[3] : 0;
	u32 json_len = w->count > 3 ? w->n[3] : 0;
	switch (w->at[0][0]) {
	case 'p':
		act_put(w->at[1], w->n[1], w->at[2], w->n[2]);
		break;
	case 'b':
		act_put(w->at[1], w->n[1], inbox, value(w, 2));
		break;
	case 'g':
		n = act_get(w->at[1], w->n[1], scratch, sizeof scratch);
		if (n == NONE)
			say("-", 1);
		else
			say(scratch, n);
		break;
	case 'd':
		act_del(w->at[1], w->n[1]);
		break;
	case 's':
		say_number(act_scan(w->at[1], w->count > 1 ? w->n[1] : 0));
		break;
	case 'n':
		step(value(w, 1), sizeof scratch);
		break;
	case 'c':
		step(value(w, 1), value(w, 2));
		break;
	case 't':
		act_tell(w->at[1], w->n[1], w->at[2], w->n[2], json, json_len);
		break;
	case 'a':
		say_number(act_ask(w->at[1], w->n[1], w->at[2], w->n[2], json, json_len));
		break;
	case 'm':
		act_remind(w->at[1], w->n[1], value(w, 2), value(w, 3), w->at[4], w->n[4], w->count > 5 ? w->at[5] : 0, w->count > 5 ? w->n[5] : 0);
		break;
	case 'f':
		act_forget(w->at[1], w->n[1]);
		break;
	case 'r':
		act_reply(w->at[1], w->n[1]);
		return -1;
	case 'x':
		act_random(bytes, sizeof bytes);
		for (n = 0; n < sizeof bytes; n++) {
			say(&"0123456789abcdef"[bytes[n] >> 4], 1);
			say(&"0123456789abcdef"[bytes[n] & 15], 1);
		}
		break;
	case 'e':
		host_error(w->at[1], w->n[1]);
		break;
	case 'y':
		act_reason(w->at[1], w->n[1]);
		break;
	case 'l':
		host_log(0, w->at[1], w->n[1]);
		break;
	case 'q':
		return value(w, 1);
	case 'h':
		say_number(++handled);
		break;
	case 'w':
		wonder();
		break;
	default:
		misbehave(w);
	}
	say(" ", 1);
	return 0;
}

EXPORT("act_migrate") int act_migrate(u32 from, u32 length) {
	u8 digit = '0' + from;
	(void)length;
	act_put("migrated", 8, &digit, 1);
	if (act_get("stuck", 5, scratch, sizeof scratch) != NONE) {
		host_error("it is stuck", 11);
		return 7;
	}
	return 0;
}

EXPORT("act_handle") int act_handle(u32 event, u32 length) {
	const struct envelope *e = (const struct envelope *)inbox;
	const u8 *at = inbox + e->payload, *end = at + e->payload_len;
	(void)length;
	filled = 0;
	text[filled++] = '"';
	if (event != 1) { // a message that nobody waits for is kept, so that a test sees it
		say_number(event);
		say(" ", 1);
		wonder();
		say("|", 1);
		say(at, e->payload_len);
		act_put("note", 4, text + 1, filled - 1);
		if (event != 2)
			return 0;
		filled = 1;
	}
	if (at < end && *at == '"')
		at++, end--;
	while (at < end) {
		struct words w = {.count = 0};
		while (at < end && *at != ';') {
			while (at < end && *at == ' ')
				at++;
			if (at == end || *at == ';')
				break;
			w.at[w.count] = at;
			while (at < end && *at != ' ' && *at != ';')
				at++;
			w.n[w.count] = at - w.at[w.count];
			if (w.count++ == 5)
				break;
		}
		at++;
		if (w.count) {
			int code = run(&w);
			if (code)
				return code == -1 ? 0 : code;
		}
	}
	text[filled++] = '"';
	act_reply(text, filled);
	return 0;
}
