#include "policy.c"
#include "troupe_test.h"

int main(void) {
	world(4, 2, 2, 4);
	give(keyspace_name, 0, word("reports"));
	give(keyspace_name, 1, word("orders"));
	give(shard_keyspace, 1, 1);
	settings("{\"settings\":{\"nodes\":0},\"keyspaces\":{\"reports\":{\"nodes\":2}}}");
	ready();
	expect_row(can_allocate, 0, NONE, 0, "00 00 00 00"); /* nobody holds any yet */
	give(keyspace_node_copies, 0, 1);
	expect_row(can_allocate, 0, NONE, 0, "00 00 00 00"); /* there is a licence left */
	give(keyspace_node_copies, 2, 1);
	expect_row(can_allocate, 0, NONE, 0, "00 c1 00 c1");
	expect_row(can_remain, 0, 0, 0, "00 00 00 00");
	give(keyspace_node_copies, 3, 5);
	expect_row(can_allocate, 0, NONE, 0, "00 c1 c2 00");
	expect_row(can_remain, 0, 0, 0, "00 00 c2 00");
	expect_row(can_allocate, 1, NONE, 0, "00 00 00 00"); /* orders needs no licence */
	return done();
}
