/* The golden rule on this machine: native IMAGE SETTINGS, with questions from standard input (capability shard copy flags), prints the rows
 * and the sentences as the tests of the modules do. */
#include "rule.c"
#include "troupe_test.h"

static void ask(int capability, int shard, int copy, int flags) {
	static const char *const names[] = {"can_allocate", "can_remain", "", "can_promote", "", "score"};
	uint8_t row[8 * 64] = {0};
	int said[256] = {0}, size = capability == SCORE ? 8 * nodes() : nodes();
	switch (capability) {
	case ALLOCATE: can_allocate(shard, copy, flags, row); break;
	case REMAIN: can_remain(shard, copy, flags, row); break;
	case PROMOTE: can_promote(shard, copy, flags, row); break;
	case SCORE: score(shard, copy, flags, (double *)(void *)row); break;
	}
	printf("%s shard=%d copy=%d flags=%d: ", names[capability], shard, copy, flags);
	for (int i = 0; i < size; i++) printf("%02x", row[i]);
	printf("\n");
	for (int n = 0; capability != SCORE && n < nodes(); n++) {
		char line[512];
		if (!row[n] || said[row[n]]++) continue;
		printf("  %02x: %.*s\n", row[n], explain(capability, shard, copy, flags, n, row[n], line, sizeof line), line);
	}
}

int main(int count, char **arguments) {
	char json[4096];
	int capability, shard, copy, flags;
	if (count != 3) return 2;
	FILE *f = fopen(arguments[2], "rb");
	if (!f) return 2;
	json[fread(json, 1, sizeof json - 1, f)] = 0;
	fclose(f);
	settings(json);
	if (load(arguments[1]) != 0 || tr_failed) return printf("refused: %s\n", tr_said), 1;
	while (scanf("%d %d %d %d", &capability, &shard, &copy, &flags) == 4) ask(capability, shard, copy, flags);
	return 0;
}
