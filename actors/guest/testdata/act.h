// Declarations of the actor ABI, version 1, for the guests of these tests: nothing between them and wasm/abi/ACT.md.
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

IMPORT("act", "get") u32 act_get(const void *key, u32 key_len, void *out, u32 room);
IMPORT("act", "put") void act_put(const void *key, u32 key_len, const void *value, u32 value_len);
IMPORT("act", "del") void act_del(const void *key, u32 key_len);
IMPORT("act", "scan") u32 act_scan(const void *prefix, u32 prefix_len);
IMPORT("act", "next") u32 act_next(u32 cursor, void *out, u32 room);
IMPORT("act", "reply") void act_reply(const void *json, u32 length);
IMPORT("act", "tell") void act_tell(const void *to, u32 to_len, const void *method, u32 method_len, const void *json, u32 length);
IMPORT("act", "ask") u64 act_ask(const void *to, u32 to_len, const void *method, u32 method_len, const void *json, u32 length);
IMPORT("act", "remind") void act_remind(const void *name, u32 name_len, u64 after_ms, u64 every_ms, const void *method, u32 method_len, const void *json, u32 length);
IMPORT("act", "forget") void act_forget(const void *name, u32 name_len);
IMPORT("act", "random") void act_random(void *out, u32 length);
IMPORT("act", "reason") void act_reason(const void *word, u32 length);
IMPORT("host", "error") void host_error(const void *text, u32 length);
IMPORT("host", "log") void host_log(int level, const void *text, u32 length);

#define NONE 0xffffffffu

// envelope is the header; offsets count from its first byte.
struct envelope {
	u32 magic;
	unsigned short version, header;
	u64 now, seed, token, number;
	u32 self, self_len, sender, sender_len, method, method_len, payload, payload_len;
	u32 status, zero;
};

EXPORT("act_abi_1") void act_abi_1(void) {}
