/* Large blocks of memory, in large pages where the system has them.

   What stands in a table of millions is found through the processor's table of pages, too, which holds
   a thousand small ones: with these each look-up has a second miss. */

#include <Python.h>
#include <stddef.h>
#include <stdint.h>

#define LARGE_PAGE ((size_t)2 << 20)
#define SMALL_PAGE ((size_t)4096)
#define WHOLE_PAGES(size) (((size) + SMALL_PAGE - 1) & ~(SMALL_PAGE - 1))

#ifdef __linux__
#include <sys/mman.h>

/* Of zeros, or NULL. */
static void *pages_take(size_t size) {
    size_t before;
    char *begin;
    if (size < LARGE_PAGE) return PyMem_RawCalloc(1, size);
    size = WHOLE_PAGES(size);
    begin = mmap(NULL, size + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (begin == MAP_FAILED) return NULL;
    before = (LARGE_PAGE - (uintptr_t)begin % LARGE_PAGE) % LARGE_PAGE;
    if (before) munmap(begin, before);
    munmap(begin + before + size, LARGE_PAGE - before);
    begin += before;
    madvise(begin, size, MADV_HUGEPAGE);
    PyTraceMalloc_Track(0, (uintptr_t)begin, size);
    return begin;
}

static void pages_give(void *begin, size_t size) {
    if (begin == NULL || size < LARGE_PAGE) {
        PyMem_RawFree(begin);
        return;
    }
    PyTraceMalloc_Untrack(0, (uintptr_t)begin);
    munmap(begin, WHOLE_PAGES(size));
}

#else

static void *pages_take(size_t size) {
    return PyMem_RawCalloc(1, size);
}

static void pages_give(void *begin, size_t size) {
    (void)size;
    PyMem_RawFree(begin);
}

#endif
