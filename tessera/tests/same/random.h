// Random numbers that are the same everywhere.
#include "check.h"

static uint64_t state;

static void seed_with(unsigned seed) { state = seed * 0x9e3779b97f4a7c15ull + 88172645463325252ull; }

// Less than `n`; xorshift.
static unsigned any(unsigned n) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (unsigned)((state >> 11) % n);
}

#define ONE_OF(list) list[any(sizeof list / sizeof *list)]
