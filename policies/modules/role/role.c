/* role refuses copies on nodes without the role data, and moves away those of a node that has given it up. */
#define TROUPE_NEEDS(need) need(node_roles) need(node_name)
#include "../house.h"
MANIFEST("manifest.json")

static inline void without_data(uint8_t *restrict row) {
	EACH_NODE(n)
		if (!(node_roles(n) & ROLE_DATA)) say(n, NO, 1);
}

RULE(can_allocate) { without_data(row); }
RULE(can_remain) { without_data(row); }

EXPLAIN {
	static const struct { uint8_t role; const char *name; } names[] = {{ROLE_META, "meta"}, {ROLE_DATA, "data"}, {ROLE_GATEWAY, "gateway"}};
	why("node %t has the roles ", node_name(node));
	const char *comma = "";
	for (int i = 0; i < 3; i++)
		if (node_roles(node) & names[i].role) why("%s%s", comma, names[i].name), comma = ",";
	why(", and holds no copies without the role data");
}
