/* LD_PRELOAD: every fsync and fdatasync takes longer by the milliseconds in the file $SLOW_FSYNC (8 bytes, a double,
 * mapped: it may change while programs run), as on a worn card or a busy disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile double *milliseconds;

__attribute__((constructor)) static void init(void) {
    const char *path = getenv("SLOW_FSYNC");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *memory = mmap(0, sizeof(double), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (memory != MAP_FAILED) milliseconds = memory;
}

static void nap(void) {
    if (milliseconds && *milliseconds > 0) usleep((useconds_t)(*milliseconds * 1000));
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fsync");
    nap();
    return real(fd);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
    nap();
    return real(fd);
}
