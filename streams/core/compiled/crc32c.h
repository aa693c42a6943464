/* CRC-32C (Castagnoli), which guards Kafka's record batches, by the instruction that most
   processors have for it: a tenth of the time of a table. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <nmmintrin.h>

static int crc32c_is_there(void)
{
    return __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2")))
static uint32_t crc32c(const char *bytes, size_t size)
{
    uint64_t crc = 0xFFFFFFFF, word;
    for (; size >= 8; bytes += 8, size -= 8) {
        memcpy(&word, bytes, 8);
        crc = _mm_crc32_u64(crc, word);
    }
    for (; size; bytes++, size--)
        crc = _mm_crc32_u8((uint32_t)crc, (unsigned char)*bytes);
    return ~(uint32_t)crc;
}

#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

static int crc32c_is_there(void)
{
    return 1;
}

static uint32_t crc32c(const char *bytes, size_t size)
{
    uint32_t crc = 0xFFFFFFFF;
    uint64_t word;
    for (; size >= 8; bytes += 8, size -= 8) {
        memcpy(&word, bytes, 8);
        crc = __crc32cd(crc, word);
    }
    for (; size; bytes++, size--)
        crc = __crc32cb(crc, (unsigned char)*bytes);
    return ~crc;
}

#else

static int crc32c_is_there(void)
{
    return 0;
}

static uint32_t crc32c(const char *bytes, size_t size)
{
    (void)bytes;
    return (uint32_t)size; /* Nobody asks. */
}

#endif
