/* What C says of memory and of words of 64 bits, and a hash of texts for a table in memory. */

#include <stdint.h>
#include <string.h>

/* Both of a word that is not 0. */
static inline int first_bit(uint64_t word) {
#ifdef __GNUC__
    return __builtin_ctzll(word);
#else
    int bit = 0;
    for (; !(word & 1); word >>= 1) bit++;
    return bit;
#endif
}

static inline int bit_length(uint64_t word) {
#ifdef __GNUC__
    return 64 - __builtin_clzll(word);
#else
    int bits = 0;
    for (; word; word >>= 1) bits++;
    return bits;
#endif
}

static inline uint64_t mixed(uint64_t a, uint64_t b) {
#ifdef __SIZEOF_INT128__
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    uint64_t product = a * (b | 1);
    return product ^ product >> 32;
#endif
}

static inline uint64_t word_at(const char *text) {
    uint64_t word;
    memcpy(&word, text, 8);
    return word;
}

/* The first 8 bytes, or as many as there are. */
static inline uint64_t short_word(const char *text, size_t size) {
    uint64_t word = 0;
    if (size >= 8) return word_at(text);
    while (size--) word = word << 8 | (unsigned char)text[size];
    return word;
}

/* Of a text and what was hashed before it. All is mixed with a secret before it is multiplied, so
   that nobody who chooses names can choose which of them meet. */
static inline uint64_t text_hash(const char *text, size_t size, uint64_t before, uint64_t secret) {
    const char *end = text + size;
    if (size < 16)
        return mixed(short_word(text, size) ^ secret,
                     (size < 8 ? size : word_at(end - 8)) ^ before);
    for (; end - text > 16; text += 16)
        before = mixed(word_at(text) ^ secret, word_at(text + 8) ^ before);
    return mixed(word_at(end - 16) ^ secret, word_at(end - 8) ^ before);
}

/* Have what is there fetched into the cache, for who comes to look at it soon. */
static inline void look_ahead(const void *place) {
#ifdef __GNUC__
    __builtin_prefetch(place);
#else
    (void)place;
#endif
}
