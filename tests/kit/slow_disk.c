/* LD_PRELOAD: fsync and fdatasync take longer, as on a worn card. SLOW_SYNC_MS: each one; SLOW_SYNC_FILE: a file that
   holds, while it exists, how many milliseconds each takes instead. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_for_the_card(void)
{
    const char *each = getenv("SLOW_SYNC_MS"), *path = getenv("SLOW_SYNC_FILE");
    int ms = each ? atoi(each) : 0;
    FILE *file = path ? fopen(path, "r") : NULL;
    if (file) {
        if (fscanf(file, "%d", &ms) != 1)
            ms = 0;
        fclose(file);
    }
    usleep(1000 * ms);
}

int fsync(int fd)
{
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    wait_for_the_card();
    return real(fd);
}

int fdatasync(int fd)
{
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    wait_for_the_card();
    return real(fd);
}
