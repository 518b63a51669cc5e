/* troupe_actor.h: a kind of actors in C, ABI "act" version 1. The whole SDK is this file.
 *
 *     #define TROUPE_METHODS(method) method(add) method(value)
 *     #include "troupe_actor.h"
 *     MANIFEST("manifest.json")
 *
 *     METHOD(add) {
 *         int64_t count = get_integer("count") + json_integer(request);
 *         if (count < 0) return refuse(1, "%T would be below zero", self());
 *         put_integer("count", count);
 *         return reply("%l", count);
 *     }
 *
 *     METHOD(value) { return reply("%l", get_integer("count")); }
 *
 * What happens:
 *
 *     host                              this file                                your file
 *     act_inbox(size) ────────────────► room for the envelope
 *     act_handle(event, length) ──────► reads envelope and request ────────────► METHOD(add), or what TROUPE_REPLIED names
 *                                       0: all that it wrote and sent counts ◄── return 0, reply(…)
 *                                       else: nothing has happened           ◄── return refuse(code, …)
 *
 * A method is a function of the actor's data and of the message: the same on any node, and when it is run again. It keeps in data what is
 * to last (get, put, del, EACH); variables are scratch, and so is what format and get give: gone with the message.
 * It does not wait: ask gives a token, and the answer comes as a message of its own, to the function that TROUPE_REPLIED names.
 *
 * Keys and names are C strings or text_t. JSON is written as by printf, see format, and read as a tree, see json_t.
 *
 * Built for Wasm:  clang --target=wasm32 -O2 -mbulk-memory -nostdlib -ffreestanding -fno-builtin -Wl,--no-entry -Wl,--strip-all
 *                  -Wl,-z,stack-size=16384 -o actor.wasm actor.c
 * Built natively, for tests:  cc -o test test.c, where test.c includes actor.c and troupe_actor_test.h.
 */
#ifndef TROUPE_ACTOR_H
#define TROUPE_ACTOR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __wasm__
#define TR_EXPORT(name) __attribute__((export_name(name), used))
#define TR_IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define MANIFEST(file) __asm__(".section .custom_section.troupe.actor,\"\",@\n.incbin \"" file "\"\n");
#else
#include <stdlib.h>
#define TR_EXPORT(name)
#define TR_IMPORT(module, name)
#define MANIFEST(file) static const char *tr_manifest __attribute__((unused)) = file;
static const char *tr_manifest __attribute__((unused)); /* where unit tests find it; 0: they do without */
#endif
#define TR_UNUSED __attribute__((unused))
#ifdef __clang__
#define TR_COLD __attribute__((unused, noinline, minsize))
#else
#define TR_COLD __attribute__((unused))
#endif

#ifndef TROUPE_METHODS
#error "define TROUPE_METHODS(method) before troupe_actor.h: what the actor can be asked, as in method(add) method(value)"
#endif

enum { EVENT_CALL = 1, EVENT_TELL, EVENT_REPLY, EVENT_REMINDER };
enum { LEVEL_DEBUG = -4, LEVEL_INFO = 0, LEVEL_WARN = 4, LEVEL_ERROR = 8 };

TR_IMPORT("host", "log") void host_log(int32_t level, const char *at, int32_t length);
TR_IMPORT("host", "log_enabled") int32_t host_log_enabled(int32_t level);
TR_IMPORT("host", "error") void host_error(const char *at, int32_t length);
TR_IMPORT("act", "get") int32_t act_get(const char *key, int32_t key_length, char *out, int32_t room);
TR_IMPORT("act", "put") void act_put(const char *key, int32_t key_length, const char *value, int32_t length);
TR_IMPORT("act", "del") void act_del(const char *key, int32_t key_length);
TR_IMPORT("act", "scan") int32_t act_scan(const char *prefix, int32_t length);
TR_IMPORT("act", "next") int32_t act_next(int32_t cursor, char *out, int32_t room);
TR_IMPORT("act", "reply") void act_reply(const char *value, int32_t length);
TR_IMPORT("act", "tell") void act_tell(const char *to, int32_t to_length, const char *method, int32_t method_length, const char *payload, int32_t length);
TR_IMPORT("act", "ask") int64_t act_ask(const char *to, int32_t to_length, const char *method, int32_t method_length, const char *payload, int32_t length);
TR_IMPORT("act", "remind") void act_remind(const char *name, int32_t name_length, int64_t after, int64_t every, const char *method, int32_t method_length, const char *payload, int32_t length);
TR_IMPORT("act", "forget") void act_forget(const char *name, int32_t length);
TR_IMPORT("act", "random") void act_random(void *out, int32_t n);
TR_IMPORT("act", "reason") void act_reason(const char *word, int32_t length);

/* ---- memory: given back as a whole before each message ---- */

/* memory begin: as in troupe.h */
#ifdef __wasm__
extern unsigned char __heap_base;
static uintptr_t tr_top;

TR_COLD static void *tr_take(uint32_t size) {
	if (!tr_top) tr_top = (uintptr_t)&__heap_base;
	uintptr_t at = (tr_top + 15) & ~(uintptr_t)15;
	uintptr_t have = (uintptr_t)__builtin_wasm_memory_size(0) << 16;
	if (size > UINT32_MAX - 65536 - at) return 0;
	if (at + size > have && __builtin_wasm_memory_grow(0, (at + size - have + 65535) >> 16) == (size_t)-1) return 0;
	tr_top = at + size;
	return (void *)at;
}
#else
TR_COLD static void *tr_take(uint32_t size) { return malloc(size + 64); }
#endif

static struct { char *at; uint32_t size; } tr_chunks[20];
static uint32_t tr_chunk, tr_used;

/* Memory of zeroes until scratch is given back; 0 when there is no more. Each chunk is twice the last, and is kept. */
TR_COLD static void *scratch(uint32_t size) {
	for (; tr_chunk < 20; tr_chunk++, tr_used = 0) {
		if (!tr_chunks[tr_chunk].at) {
			uint32_t wish = 4096u << tr_chunk;
			tr_chunks[tr_chunk].size = wish < size ? size : wish;
			tr_chunks[tr_chunk].at = tr_take(tr_chunks[tr_chunk].size);
			if (!tr_chunks[tr_chunk].at) return 0;
		}
		uint32_t from = (tr_used + 7) & ~7u;
		if (from <= tr_chunks[tr_chunk].size && size <= tr_chunks[tr_chunk].size - from) {
			tr_used = from + size;
			for (uint32_t i = 0; i < size; i++) tr_chunks[tr_chunk].at[from + i] = 0;
			return tr_chunks[tr_chunk].at + from;
		}
	}
	return 0;
}
/* memory end */

/* Memory for this message. There is no end of it that a message could outlive: the host drops what traps. */
TR_COLD static void *tr_need(uint32_t size) {
	void *at = scratch(size);
	if (!at) host_error("no memory is left", 17), __builtin_trap();
	return at;
}

/* ---- strings ---- */

/* strings begin: as in troupe.h */
typedef struct {
	const char *at;
	uint32_t length;
} text_t;

/* A string that stands in the source, as in literal("zone"). */
#define literal(s) ((text_t){"" s, sizeof(s) - 1})

TR_COLD static text_t c_string(const char *s) {
	uint32_t n = 0;
	while (s[n]) n++;
	return (text_t){s, n};
}

TR_UNUSED static int same(text_t a, text_t b) {
	if (a.length != b.length) return 0;
	for (uint32_t i = 0; i < a.length; i++)
		if (a.at[i] != b.at[i]) return 0;
	return 1;
}
/* strings end */

static inline text_t tr_as_text(text_t t) { return t; }
#define TEXT(x) _Generic((x), text_t: tr_as_text, char *: c_string, const char *: c_string)(x)

TR_UNUSED static int starts_with(text_t t, text_t start) { return t.length >= start.length && same((text_t){t.at, start.length}, start); }

/* What follows the first bytes of a text: after(key, 5) of "vote/ann" is "ann". */
TR_UNUSED static text_t after(text_t t, uint32_t bytes) { return bytes < t.length ? (text_t){t.at + bytes, t.length - bytes} : (text_t){"", 0}; }

/* ---- JSON, read ---- */

/* json begin: as in troupe.h */
static struct { char *next, *end; } tr_json; /* what is being read */

TR_COLD static int tr_skip(char c) { /* blanks, and then c */
	while (tr_json.next < tr_json.end && (*tr_json.next == ' ' || *tr_json.next == '\n' || *tr_json.next == '\t' || *tr_json.next == '\r')) tr_json.next++;
	if (tr_json.next == tr_json.end || *tr_json.next != c) return 0;
	tr_json.next++;
	return 1;
}

TR_COLD static int32_t tr_hex4(void) {
	int32_t v = 0;
	for (int i = 0; i < 4; i++) {
		if (tr_json.next == tr_json.end) return -1;
		char c = *tr_json.next++;
		int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
		if (d < 0) return -1;
		v = v * 16 + d;
	}
	return v;
}

TR_COLD static char *tr_utf8(char *to, int32_t c) {
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 63));
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	}
	return to;
}

/* A JSON string, decoded where it stands: no escape is shorter than what it stands for. */
TR_COLD static int tr_string(text_t *out) {
	if (!tr_skip('"')) return 0;
	char *to = tr_json.next;
	out->at = to;
	while (tr_json.next < tr_json.end) {
		char c = *tr_json.next++;
		if (c == '"') {
			out->length = (uint32_t)(to - out->at);
			return 1;
		}
		if (c != '\\') {
			*to++ = c;
			continue;
		}
		if (tr_json.next == tr_json.end) return 0;
		c = *tr_json.next++;
		if (c == 'u') {
			int32_t rune = tr_hex4();
			if (rune < 0) return 0;
			if (rune >= 0xd800 && rune < 0xdc00 && tr_json.end - tr_json.next >= 6 && tr_json.next[0] == '\\' && tr_json.next[1] == 'u') {
				tr_json.next += 2;
				int32_t low = tr_hex4();
				if (low < 0xdc00 || low > 0xdfff) return 0;
				rune = 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
			}
			to = tr_utf8(to, rune);
		} else {
			*to++ = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'b' ? '\b' : c == 'f' ? '\f' : c;
		}
	}
	return 0;
}

/* A JSON number. Up to 15 digits with an exponent up to 22 come out exact. */
TR_COLD static int tr_number(double *out) {
	int negative = tr_skip('-'), digits = 0, exponent = 0;
	double v = 0;
	char *n = tr_json.next, *end = tr_json.end;
	for (; n < end && *n >= '0' && *n <= '9'; n++, digits++) v = v * 10 + (*n - '0');
	if (n < end && *n == '.')
		for (n++; n < end && *n >= '0' && *n <= '9'; n++, digits++, exponent--) v = v * 10 + (*n - '0');
	if (!digits) return 0;
	if (n < end && (*n == 'e' || *n == 'E')) {
		int minus = 0, e = 0;
		n++;
		if (n < end && (*n == '+' || *n == '-')) minus = *n++ == '-';
		for (; n < end && *n >= '0' && *n <= '9' && e < 1000; n++) e = e * 10 + (*n - '0');
		exponent += minus ? -e : e;
	}
	double scale = 1;
	for (int i = exponent < 0 ? -exponent : exponent; i > 0; i--) scale *= 10;
	v = exponent < 0 ? v / scale : v * scale;
	if (v != v) v = 0; /* nothing by infinity, of 0e400; and infinity by infinity */
	*out = negative ? -v : v;
	tr_json.next = n;
	return 1;
}

TR_COLD static int tr_word(const char *w) {
	text_t word = c_string(w);
	if (tr_json.end - tr_json.next < (ptrdiff_t)word.length || !same((text_t){tr_json.next, word.length}, word)) return 0;
	tr_json.next += word.length;
	return 1;
}
/* json end */

typedef enum { JSON_NONE, JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT, JSON_LIST, JSON_OBJECT } json_kind;

/* A value. Fields of an object and items of a list are a chain: EACH_ITEM(x, list). */
typedef struct json {
	json_kind kind;
	text_t name;     /* if it is a field */
	text_t text;     /* of a text */
	double number;   /* of a number; of a bool 0 or 1 */
	int64_t integer; /* of a number; exact if it is written without point and exponent and fits, else without its fraction */
	const struct json *first, *next;
} json_t;

static const json_t tr_none = {0}, tr_null = {.kind = JSON_NULL};

TR_COLD static int64_t tr_integer(const char *at, const char *end, double number) {
	int negative = at < end && *at == '-';
	uint64_t v = 0, most = negative ? (uint64_t)1 << 63 : INT64_MAX;
	at += negative;
	for (; at < end && *at >= '0' && *at <= '9'; at++) {
		uint64_t digit = (uint64_t)(*at - '0');
		if (v > (most - digit) / 10) break;
		v = v * 10 + digit;
	}
	if (at == end) return negative ? (int64_t)(0 - v) : (int64_t)v;
	if (number >= -9.2e18 && number <= 9.2e18) return (int64_t)number;
	return number < 0 ? INT64_MIN : INT64_MAX;
}

TR_COLD static const json_t *tr_read(int depth) {
	json_t *v = tr_need(sizeof *v), **last = (json_t **)&v->first;
	if (depth > 32) return 0;
	if (tr_string(&v->text)) return v->kind = JSON_TEXT, v;
	if (tr_word("true")) return v->kind = JSON_BOOL, v->number = 1, v->integer = 1, v;
	if (tr_word("false")) return v->kind = JSON_BOOL, v;
	if (tr_word("null")) return v->kind = JSON_NULL, v;
	if (tr_json.next < tr_json.end && *tr_json.next != '{' && *tr_json.next != '[') {
		const char *from = tr_json.next;
		v->kind = JSON_NUMBER;
		if (!tr_number(&v->number)) return 0;
		return v->integer = tr_integer(from, tr_json.next, v->number), v;
	}
	char end = tr_skip('{') ? '}' : ']';
	if (end == ']' && !tr_skip('[')) return 0;
	v->kind = end == '}' ? JSON_OBJECT : JSON_LIST;
	for (int first = 1; !tr_skip(end); first = 0) {
		text_t name = {"", 0};
		if (!first && !tr_skip(',')) return 0;
		if (end == '}' && (!tr_string(&name) || !tr_skip(':'))) return 0;
		json_t *item = (json_t *)tr_read(depth + 1);
		if (!item) return 0;
		item->name = name;
		*last = item;
		last = (json_t **)&item->next;
	}
	return v;
}

TR_COLD static const json_t *tr_parse(text_t text) {
	char *copy = tr_need(text.length); /* strings are decoded where they stand */
	for (uint32_t i = 0; i < text.length; i++) copy[i] = text.at[i];
	tr_json.next = copy, tr_json.end = copy + text.length;
	const json_t *v = tr_read(0);
	tr_skip(0);
	return v && tr_json.next == tr_json.end ? v : 0;
}

/* Reads JSON; of what is none, a value of kind JSON_NONE, as for whatever is not there. No value is ever a null pointer. */
#define json(text) tr_json_of(TEXT(text))
TR_UNUSED static const json_t *tr_json_of(text_t text) {
	const json_t *v = tr_parse(text);
	return v ? v : &tr_none;
}

#define EACH_ITEM(x, v) for (const json_t *x = (v)->first; x; x = x->next)

/* The field of an object. */
#define json_field(v, name) tr_field(v, TEXT(name))
TR_UNUSED static const json_t *tr_field(const json_t *v, text_t name) {
	if (v->kind == JSON_OBJECT) EACH_ITEM(x, v)
		if (same(x->name, name)) return x;
	return &tr_none;
}
TR_UNUSED static text_t json_text(const json_t *v) { return v->kind == JSON_TEXT ? v->text : (text_t){"", 0}; }
TR_UNUSED static int64_t json_integer(const json_t *v) { return v->integer; }
TR_UNUSED static double json_number(const json_t *v) { return v->number; }
TR_UNUSED static int json_flag(const json_t *v) { return v->kind == JSON_BOOL && v->number != 0; }

/* ---- JSON and other text, written ---- */

/* writing begin: as in troupe.h */
TR_UNUSED static char *tr_out;
TR_UNUSED static int32_t tr_room, tr_written;

TR_COLD static void tr_put(char c) { /* what does not fit is counted all the same: the host comes back with more room */
	if (tr_written < tr_room) tr_out[tr_written] = c;
	tr_written++;
}

TR_COLD static void tr_put_text(text_t t) {
	for (uint32_t i = 0; i < t.length; i++) tr_put(t.at[i]);
}

TR_COLD static void tr_put_digits(uint64_t v, int width) {
	char digits[20];
	int n = 0;
	do digits[n++] = (char)('0' + v % 10), v /= 10;
	while (v);
	for (int i = n; i < width; i++) tr_put('0');
	while (n) tr_put(digits[--n]);
}

TR_COLD static void tr_put_integer(int64_t v) {
	if (v < 0) tr_put('-');
	tr_put_digits(v < 0 ? -(uint64_t)v : (uint64_t)v, 1);
}

/* A number, rounded to so many decimals; zeroes at its end are left out. */
TR_COLD static void tr_put_number(double v, int decimals) {
	uint64_t scale = 1;
	for (int i = 0; i < decimals; i++) scale *= 10;
	if (v != v) return tr_put_text(literal("NaN"));
	if (v < 0) tr_put('-'), v = -v;
	if (v > 1e18) return tr_put_text(literal("more than 10^18"));
	uint64_t whole = (uint64_t)v, part = (uint64_t)((v - (double)whole) * (double)scale + 0.5);
	if (part >= scale) whole++, part -= scale;
	tr_put_digits(whole, 1);
	for (; part && part % 10 == 0; decimals--) part /= 10;
	if (part) tr_put('.'), tr_put_digits(part, decimals);
}

/* A duration as Go prints it: 1m30s, 1.5s, 250ms. */
TR_COLD static void tr_put_duration(int64_t ms) {
	if (ms < 0) tr_put('-'), ms = -ms;
	if (ms == 0) return tr_put_text(literal("0s"));
	if (ms < 1000) return tr_put_integer(ms), tr_put_text(literal("ms"));
	int64_t hours = ms / 3600000, minutes = ms / 60000 % 60;
	if (hours) tr_put_integer(hours), tr_put('h');
	if (hours || minutes) tr_put_integer(minutes), tr_put('m');
	tr_put_number((double)(ms % 60000) / 1000, 3);
	tr_put('s');
}

TR_COLD static void tr_put_bytes(double v) {
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
	int unit = 0;
	for (; v >= 1024 && unit < 5; unit++) v /= 1024;
	tr_put_number(v, 1);
	tr_put_text(c_string(units[unit]));
}
/* writing end */

TR_COLD static void tr_put_quoted(text_t t) {
	tr_put('"');
	for (uint32_t i = 0; i < t.length; i++) {
		uint8_t c = (uint8_t)t.at[i];
		const char *short_for = c == '"' ? "\\\"" : c == '\\' ? "\\\\" : c == '\n' ? "\\n" : c == '\t' ? "\\t" : c == '\r' ? "\\r" : c == '\b' ? "\\b" : c == '\f' ? "\\f" : 0;
		if (short_for) tr_put_text(c_string(short_for));
		else if (c < 0x20) tr_put_text(c_string("\\u00")), tr_put("0123456789abcdef"[c >> 4]), tr_put("0123456789abcdef"[c & 15]);
		else tr_put((char)c);
	}
	tr_put('"');
}

TR_COLD static void tr_print(const char *format, va_list a) {
	for (const char *f = format; *f; f++) {
		if (*f != '%') {
			tr_put(*f);
			continue;
		}
		switch (*++f) {
		case 's': tr_put_text(c_string(va_arg(a, const char *))); break;
		case 'T': tr_put_text(va_arg(a, text_t)); break;
		case 'q': tr_put_quoted(va_arg(a, text_t)); break;
		case 'd': tr_put_integer(va_arg(a, int32_t)); break;
		case 'l': tr_put_integer(va_arg(a, int64_t)); break;
		case 'f': tr_put_number(va_arg(a, double), 6); break;
		case 'm': tr_put_duration(va_arg(a, int64_t)); break;
		case 0: return;
		default: tr_put(*f);
		}
	}
}

TR_COLD static text_t tr_format(const char *format, va_list a) {
	va_list again;
	va_copy(again, a);
	tr_out = 0, tr_room = 0, tr_written = 0; /* measured, and then written */
	tr_print(format, a);
	uint32_t length = (uint32_t)tr_written;
	tr_out = tr_need(length), tr_room = (int32_t)length, tr_written = 0;
	tr_print(format, again);
	va_end(again);
	return (text_t){tr_out, length};
}

/* Text for this message:
 *
 *     %s  const char *, a C string       %T  text_t
 *     %q  text_t as a JSON string        %d  int32_t
 *     %l  int64_t                        %f  double, up to six decimals, below 10^18
 *     %m  int64_t milliseconds: 1m30s    %%  %
 */
TR_COLD static text_t format(const char *format, ...) {
	va_list a;
	va_start(a, format);
	text_t out = tr_format(format, a);
	va_end(a);
	return out;
}

/* ---- the message ---- */

static struct {
	int32_t event;
	int64_t now;
	uint64_t token, number;
	text_t self, sender, method, payload;
	int32_t status;
	const json_t *request;
} tr_message;

/* The one that is being handled: the actor as kind/name, who sends it (empty: from outside of actors), its method, and its payload as it came. */
TR_UNUSED static text_t self(void) { return tr_message.self; }
TR_UNUSED static text_t sender(void) { return tr_message.sender; }
TR_UNUSED static text_t method_name(void) { return tr_message.method; }
TR_UNUSED static text_t payload(void) { return tr_message.payload; }
/* EVENT_CALL and so on. */
TR_UNUSED static int32_t event(void) { return tr_message.event; }
/* Its time in milliseconds since 1970, UTC: the same when it is run again. There is no other clock. */
TR_UNUSED static int64_t now(void) { return tr_message.now; }
/* Of an answer: the token that ask gave, and whether the actor answered; if not, request is the text of its refusal. */
TR_UNUSED static uint64_t token(void) { return tr_message.token; }
TR_UNUSED static int answered(void) { return tr_message.status == 0; }

/* Parts of an actor's name. */
TR_UNUSED static text_t kind_of(text_t actor) {
	uint32_t n = 0;
	while (n < actor.length && actor.at[n] != '/') n++;
	return (text_t){actor.at, n};
}
TR_UNUSED static text_t name_of(text_t actor) { return after(actor, kind_of(actor).length + 1); }

/* Another actor of this kind, as tell and ask take it. */
#define peer(name) format("%T/%T", kind_of(self()), TEXT(name))

/* Refuses the message: nothing that it did counts, and who called hears the text. The code, above 0, is the application's own. */
#define refuse(code, ...) tr_refuse(code, format(__VA_ARGS__))
TR_UNUSED static int32_t tr_refuse(int32_t code, text_t why) {
	host_error(why.at, (int32_t)why.length);
	return code;
}

/* The same, with a reason for programs, of 1 to 64 bytes: refuse_for("insufficient-funds", 1, "only %l are there", count). It is "code" over HTTP. */
#define refuse_for(reason, code, ...) (tr_reason(TEXT(reason)), refuse(code, __VA_ARGS__))
TR_UNUSED static void tr_reason(text_t word) { act_reason(word.at, (int32_t)word.length); }

/* Answers, with JSON; gives 0, so that a method ends with return reply(…). Without it the answer is null; the last one counts. */
#define reply(...) tr_reply(format(__VA_ARGS__))
TR_UNUSED static int32_t tr_reply(text_t value) {
	act_reply(value.at, (int32_t)value.length);
	return 0;
}

#define log_line(level, ...) \
	do if (host_log_enabled(level)) tr_log(level, format(__VA_ARGS__)); \
	while (0)
TR_UNUSED static void tr_log(int32_t level, text_t line) { host_log(level, line.at, (int32_t)line.length); }

/* ---- data: what the actor keeps, by key. Reads see what this message has written ---- */

/* A value; its at is 0 if there is none. */
#define get(key) tr_get(TEXT(key))
TR_COLD static text_t tr_get(text_t key) {
	uint32_t room = 256;
	for (;;) {
		char *out = tr_need(room);
		int32_t n = act_get(key.at, (int32_t)key.length, out, (int32_t)room);
		if (n < 0) return (text_t){0, 0};
		if ((uint32_t)n <= room) return (text_t){out, (uint32_t)n};
		room = (uint32_t)n;
	}
}
/* A value as JSON, and as an integer: 0 if there is none. */
#define get_json(key) tr_get_json(TEXT(key))
TR_UNUSED static const json_t *tr_get_json(text_t key) {
	text_t value = tr_get(key);
	return value.at ? tr_json_of(value) : &tr_none;
}
#define get_integer(key) json_integer(get_json(key))

#define put(key, value) tr_store(TEXT(key), TEXT(value))
#define put_integer(key, v) tr_store(TEXT(key), format("%l", (int64_t)(v)))
TR_UNUSED static void tr_store(text_t key, text_t value) { act_put(key.at, (int32_t)key.length, value.at, (int32_t)value.length); }

#define del(key) tr_del(TEXT(key))
TR_UNUSED static void tr_del(text_t key) { act_del(key.at, (int32_t)key.length); }

/* An entry of the data: EACH(e, "vote/") { …e.key, e.value… }, in the order of keys' bytes. Sixteen loops may be open in a message, those that
 * have ended among them. What is written on their way is seen if its key is yet to come. */
typedef struct {
	text_t key, value;
	int32_t tr_cursor;
} entry_t;

#define EACH(e, prefix) for (entry_t e = tr_scan(TEXT(prefix)); tr_next(&e);)
TR_UNUSED static entry_t tr_scan(text_t prefix) { return (entry_t){{"", 0}, {"", 0}, act_scan(prefix.at, (int32_t)prefix.length)}; }

static uint32_t tr_u32(const char *at) {
	const uint8_t *b = (const uint8_t *)at;
	return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
static uint64_t tr_u64(const char *at) { return tr_u32(at) | (uint64_t)tr_u32(at + 4) << 32; }

TR_COLD static int tr_next(entry_t *e) {
	uint32_t room = 256;
	for (;;) {
		char *out = tr_need(room);
		int32_t n = act_next(e->tr_cursor, out, (int32_t)room);
		if (n < 4) return 0;
		if ((uint32_t)n <= room) {
			uint32_t key = tr_u32(out);
			e->key = (text_t){out + 4, key};
			e->value = (text_t){out + 4 + key, (uint32_t)n - 4 - key};
			return 1;
		}
		room = (uint32_t)n;
	}
}

/* ---- other actors, later, chance ---- */

/* Sends a message when this one commits: once, whatever fails. tell("account/ann", "pay", "{\"amount\":%l}", amount). */
#define tell(to, method, ...) tr_tell(TEXT(to), TEXT(method), format(__VA_ARGS__))
TR_UNUSED static void tr_tell(text_t to, text_t method, text_t payload) {
	act_tell(to.at, (int32_t)to.length, method.at, (int32_t)method.length, payload.at, (int32_t)payload.length);
}
/* Sends one that is answered, and gives the token by which to know the answer. */
#define ask(to, method, ...) tr_ask(TEXT(to), TEXT(method), format(__VA_ARGS__))
TR_UNUSED static uint64_t tr_ask(text_t to, text_t method, text_t payload) {
	return (uint64_t)act_ask(to.at, (int32_t)to.length, method.at, (int32_t)method.length, payload.at, (int32_t)payload.length);
}
/* Has a message sent to this actor after so many milliseconds, and, if every is not 0, again each so many, 1000 at least. A name has one reminder. */
#define remind(name, after, every, method, ...) tr_remind(TEXT(name), after, every, TEXT(method), format(__VA_ARGS__))
TR_UNUSED static void tr_remind(text_t name, int64_t after_ms, int64_t every_ms, text_t method, text_t payload) {
	act_remind(name.at, (int32_t)name.length, after_ms, every_ms, method.at, (int32_t)method.length, payload.at, (int32_t)payload.length);
}
#define forget(name) tr_forget(TEXT(name))
TR_UNUSED static void tr_forget(text_t name) { act_forget(name.at, (int32_t)name.length); }

/* Chance, the same when the message is run again. */
TR_UNUSED static uint64_t random_u64(void) {
	char bytes[8];
	act_random(bytes, 8);
	return tr_u64(bytes);
}
/* One of 0 to n - 1, each as likely. */
TR_UNUSED static uint64_t random_below(uint64_t n) {
	if (n < 2) return 0;
	for (uint64_t limit = UINT64_MAX - UINT64_MAX % n;;) {
		uint64_t v = random_u64();
		if (v < limit) return v % n;
	}
}

/* ---- what the host calls ---- */

#define METHOD(name) static int32_t tr_method_##name(TR_UNUSED const json_t *request)
#define TR_METHOD(name) METHOD(name);
TROUPE_METHODS(TR_METHOD)
#ifdef TROUPE_REPLIED
static int32_t TROUPE_REPLIED(const json_t *request);
#endif
#ifdef TROUPE_MIGRATE
static int32_t TROUPE_MIGRATE(int32_t from);
#endif

static struct { char *at; uint32_t room; } tr_inbox;

TR_EXPORT("act_abi_1") void act_abi_1(void) {}

TR_COLD TR_EXPORT("act_inbox") void *act_inbox(int32_t size) {
	if (size < 0) return 0;
	if ((uint32_t)size > tr_inbox.room) {
		uint32_t room = tr_inbox.room ? tr_inbox.room : 4096;
		while (room < (uint32_t)size) room *= 2;
		char *at = tr_take(room);
		if (!at) return 0;
#ifndef __wasm__
		free(tr_inbox.at); /* there memory is only ever taken */
#endif
		tr_inbox.at = at, tr_inbox.room = room;
	}
	return tr_inbox.at;
}

TR_COLD static text_t tr_part(uint32_t field) { return (text_t){tr_inbox.at + tr_u32(tr_inbox.at + field), tr_u32(tr_inbox.at + field + 4)}; }

/* Reads the envelope: 0, or a refusal. */
TR_COLD static int32_t tr_open(int32_t length) {
	const char *at = tr_inbox.at;
	tr_chunk = tr_used = 0;
	if (length < 80 || tr_u32(at) != 0x54434154 || (tr_u32(at + 4) & 0xffff) != 1) return refuse(-1, "the message is no envelope of ABI version 1");
	tr_message.now = (int64_t)tr_u64(at + 8);
	tr_message.token = tr_u64(at + 24);
	tr_message.number = tr_u64(at + 32);
	tr_message.self = tr_part(40), tr_message.sender = tr_part(48), tr_message.method = tr_part(56), tr_message.payload = tr_part(64);
	tr_message.status = (int32_t)tr_u32(at + 72);
	tr_message.request = &tr_null; /* which no payload stands for */
	if (tr_message.payload.length && !(tr_message.request = tr_parse(tr_message.payload))) return refuse(-1, "the request is no JSON, or nested more than 32 deep");
	return 0;
}

#define TR_DISPATCH(name) \
	if (same(tr_message.method, literal(#name))) return tr_method_##name(tr_message.request);

TR_EXPORT("act_handle") int32_t act_handle(int32_t event, int32_t length) {
	int32_t code = tr_open(length);
	if (code) return code;
	tr_message.event = event;
	if (event == EVENT_REPLY) {
#ifdef TROUPE_REPLIED
		return TROUPE_REPLIED(tr_message.request);
#else
		return 0;
#endif
	}
	if (event > EVENT_REMINDER) return refuse(-1, "event %d is not known here", event);
	TROUPE_METHODS(TR_DISPATCH)
	return refuse(-1, "there is no method %T", tr_message.method);
}

#ifdef TROUPE_MIGRATE
/* Called before the first message of an actor whose data was written under another "data" of the manifest. */
TR_COLD TR_EXPORT("act_migrate") int32_t act_migrate(int32_t from, int32_t length) {
	int32_t code = tr_open(length);
	tr_message.event = EVENT_CALL;
	return code ? code : TROUPE_MIGRATE(from);
}
#endif

#endif
