// counter.c with the sum kept elsewhere, and a way there.
#define LAYOUT_2
#include "counter.c"
