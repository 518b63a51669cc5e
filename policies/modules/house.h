/* house.h: what the shipped policies share beside the SDK. */
#ifndef HOUSE_H
#define HOUSE_H

#include "../../wasm/guest/c/troupe.h"

/* A shard as people know it, orders/17, for why("… %t/%d …", SHARD(shard)). Needs shard_keyspace, shard_number and keyspace_name. */
#define SHARD(shard) keyspace_name(shard_keyspace(shard)), (int32_t)shard_number(shard)

/* One byte of a row, for rules whose answer about a node depends on the sums of that node. */
#define METER \
	static uint8_t house_meter(int32_t capability, int32_t shard, int32_t copy, int32_t flags, int32_t node); \
	TR_EXPORT("meter") int32_t meter(int32_t capability, int32_t shard, int32_t copy, int32_t flags, int32_t node) { return house_meter(capability, shard, copy, flags, node); } \
	static inline uint8_t house_meter(TR_UNUSED int32_t capability, TR_UNUSED int32_t shard, TR_UNUSED int32_t copy, TR_UNUSED int32_t flags, int32_t node)

/* A byte of a row. */
#define ANSWER(verdict, reason) ((uint8_t)((verdict) << 6 | (reason)))

#endif
