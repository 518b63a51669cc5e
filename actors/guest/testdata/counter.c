// A counter: add takes a number and gives the sum; read gives it. Layout 1 keeps the sum under "n", layout 2 (counter2.c) under "sum".
#include "act.h"

#ifdef LAYOUT_2
#define KEY "sum", 3
#else
#define KEY "n", 1
#endif

static u8 inbox[8192] __attribute__((aligned(16)));
static u8 digits[24];

EXPORT("act_inbox") void *act_inbox(u32 size) { return size <= sizeof inbox ? inbox : 0; }

static long long number(const u8 *text, u32 length) {
	long long n = 0;
	u32 i = length && text[0] == '-';
	for (; i < length && text[i] >= '0' && text[i] <= '9'; i++)
		n = n * 10 + (text[i] - '0');
	return length && text[0] == '-' ? -n : n;
}

static void answer(long long n) {
	u8 *at = digits + sizeof digits;
	u64 left = n < 0 ? -(u64)n : (u64)n;
	do
		*--at = '0' + left % 10;
	while (left /= 10);
	if (n < 0)
		*--at = '-';
	act_reply(at, digits + sizeof digits - at);
}

#ifdef LAYOUT_2
EXPORT("act_migrate") int act_migrate(u32 from, u32 length) {
	long long n;
	(void)length;
	if (from == 1 && act_get("n", 1, &n, sizeof n) != NONE) {
		act_put(KEY, &n, sizeof n);
		act_del("n", 1);
	}
	return 0;
}
#endif

EXPORT("act_handle") int act_handle(u32 event, u32 length) {
	const struct envelope *e = (const struct envelope *)inbox;
	long long n = 0;
	(void)event, (void)length;
	act_get(KEY, &n, sizeof n);
	if (inbox[e->method] == 'a') {
		n += number(inbox + e->payload, e->payload_len);
		act_put(KEY, &n, sizeof n);
	}
	answer(n);
	return 0;
}
