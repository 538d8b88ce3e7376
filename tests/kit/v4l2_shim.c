/* A USB camera that is not there: preloaded into a process, it answers the V4L2 calls on SHIM_DEVICE.
 *
 * It delivers the JPEG pictures of SHIM_FRAMES (each a 32-bit little-endian length and its bytes), one each 1/25 s of
 * CLOCK_MONOTONIC, round after round. While the file SHIM_STALL exists no picture comes and a read blocks for ever, as
 * a hung driver's does; while SHIM_UNPLUG exists the device is gone,
 * and while SHIM_BUSY exists another program has it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { BUFFERS = 8, BUFFER_BYTES = 1 << 20, QUEUE = 64, WIDTH = 384, HEIGHT = 208, FPS = 25 };

static int camera = -1;
static unsigned char *frames;
static size_t frames_bytes, position;
static unsigned char *memory;
static int queued[QUEUE];
static unsigned head, tail;
static uint32_t sequence;
static struct timespec streaming_since;

static int present(const char *variable)
{
    const char *path = getenv(variable);
    return path && access(path, F_OK) == 0;
}

static int is_camera(const char *path)
{
    const char *device = getenv("SHIM_DEVICE");
    return device && path && strcmp(path, device) == 0;
}

static int load_frames(void)
{
    FILE *file = fopen(getenv("SHIM_FRAMES"), "rb");
    if (!file)
        return -1;
    fseek(file, 0, SEEK_END);
    frames_bytes = (size_t)ftell(file);
    rewind(file);
    frames = malloc(frames_bytes);
    size_t got = fread(frames, 1, frames_bytes, file);
    fclose(file);
    return got == frames_bytes ? 0 : -1;
}

static int open_camera(void)
{
    if (present("SHIM_UNPLUG")) {
        errno = ENOENT;
        return -1;
    }
    if (camera >= 0 || present("SHIM_BUSY")) {
        errno = EBUSY;
        return -1;
    }
    if (!frames && load_frames() < 0)
        return -1;
    int fd = memfd_create("camera", 0);
    if (fd < 0 || ftruncate(fd, (off_t)BUFFERS * BUFFER_BYTES) < 0)
        return -1;
    memory = mmap(NULL, (size_t)BUFFERS * BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    head = tail = 0;
    position = 0;
    return camera = fd;
}

#define SHIMMED_OPEN(name)                                                                                             \
    int name(const char *path, int flags, ...)                                                                         \
    {                                                                                                                  \
        static int (*real)(const char *, int, ...);                                                                    \
        mode_t mode = 0;                                                                                               \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                                           \
            va_list arguments;                                                                                         \
            va_start(arguments, flags);                                                                                \
            mode = va_arg(arguments, mode_t);                                                                          \
            va_end(arguments);                                                                                         \
        }                                                                                                              \
        if (is_camera(path))                                                                                           \
            return open_camera();                                                                                      \
        if (!real)                                                                                                     \
            real = dlsym(RTLD_NEXT, #name);                                                                            \
        return real(path, flags, mode);                                                                                \
    }
SHIMMED_OPEN(open)
SHIMMED_OPEN(open64)

int close(int fd)
{
    static int (*real)(int);
    if (!real)
        real = dlsym(RTLD_NEXT, "close");
    if (fd >= 0 && fd == camera) {
        munmap(memory, (size_t)BUFFERS * BUFFER_BYTES);
        camera = -1;
    }
    return real(fd);
}

static int capabilities(struct v4l2_capability *answer)
{
    memset(answer, 0, sizeof *answer);
    strcpy((char *)answer->driver, "shim");
    strcpy((char *)answer->card, "camera of the tests");
    answer->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    answer->capabilities = answer->device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
}

static int format_at(struct v4l2_fmtdesc *answer)
{
    if (answer->index) {
        errno = EINVAL;
        return -1;
    }
    answer->flags = V4L2_FMT_FLAG_COMPRESSED;
    strcpy((char *)answer->description, "Motion-JPEG");
    answer->pixelformat = V4L2_PIX_FMT_MJPEG;
    return 0;
}

static int format(struct v4l2_format *answer)
{
    struct v4l2_pix_format *picture = &answer->fmt.pix;
    picture->width = WIDTH;
    picture->height = HEIGHT;
    picture->pixelformat = V4L2_PIX_FMT_MJPEG;
    picture->field = V4L2_FIELD_NONE;
    picture->bytesperline = 0;
    picture->sizeimage = BUFFER_BYTES;
    return 0;
}

static int input_at(struct v4l2_input *answer)
{
    if (answer->index) {
        errno = EINVAL;
        return -1;
    }
    memset(answer, 0, sizeof *answer);
    answer->type = V4L2_INPUT_TYPE_CAMERA;
    return 0;
}

static int rate(struct v4l2_streamparm *answer)
{
    answer->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
    answer->parm.capture.timeperframe.numerator = 1;
    answer->parm.capture.timeperframe.denominator = FPS;
    return 0;
}

static int picture_due(struct timespec *now)
{
    clock_gettime(CLOCK_MONOTONIC, now);
    double running = (double)(now->tv_sec - streaming_since.tv_sec) + (now->tv_nsec - streaming_since.tv_nsec) / 1e9;
    return !present("SHIM_STALL") && head != tail && running * FPS >= sequence + 1;
}

static int dequeue(struct v4l2_buffer *answer)
{
    struct timespec now;
    while (!picture_due(&now)) {
        if (present("SHIM_UNPLUG")) {
            errno = ENODEV;
            return -1;
        }
        usleep(2000);
    }
    sequence++;
    int index = queued[head++ % QUEUE];
    if (position + 4 > frames_bytes)
        position = 0;
    uint32_t length;
    memcpy(&length, frames + position, 4);
    memcpy(memory + (size_t)index * BUFFER_BYTES, frames + position + 4, length);
    position += 4 + length;
    answer->index = (uint32_t)index;
    answer->bytesused = length;
    answer->length = BUFFER_BYTES;
    answer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    answer->sequence = sequence;
    answer->timestamp.tv_sec = now.tv_sec;
    answer->timestamp.tv_usec = now.tv_nsec / 1000;
    answer->m.offset = (uint32_t)index * BUFFER_BYTES;
    answer->memory = V4L2_MEMORY_MMAP;
    answer->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    return 0;
}

static int buffers(unsigned long request, void *argument)
{
    switch ((uint32_t)request) {
    case VIDIOC_REQBUFS: {
        struct v4l2_requestbuffers *wanted = argument;
        if (wanted->count > BUFFERS)
            wanted->count = BUFFERS;
        return 0;
    }
    case VIDIOC_QUERYBUF: {
        struct v4l2_buffer *buffer = argument;
        buffer->length = BUFFER_BYTES;
        buffer->m.offset = buffer->index * BUFFER_BYTES;
        return 0;
    }
    case VIDIOC_QBUF:
        queued[tail++ % QUEUE] = (int)((struct v4l2_buffer *)argument)->index;
        return 0;
    case VIDIOC_STREAMON:
        sequence = 0;
        clock_gettime(CLOCK_MONOTONIC, &streaming_since);
        return 0;
    case VIDIOC_STREAMOFF:
        return 0;
    case VIDIOC_DQBUF:
        return dequeue(argument);
    default:
        errno = ENOTTY;
        return -1;
    }
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, ...);
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (!real)
        real = dlsym(RTLD_NEXT, "ioctl");
    if (fd < 0 || fd != camera)
        return real(fd, request, argument);
    if (present("SHIM_UNPLUG")) {
        errno = ENODEV;
        return -1;
    }
    switch ((uint32_t)request) {
    case VIDIOC_QUERYCAP:
        return capabilities(argument);
    case VIDIOC_G_INPUT:
        *(int *)argument = 0;
        return 0;
    case VIDIOC_S_INPUT:
        return 0;
    case VIDIOC_ENUMINPUT:
        return input_at(argument);
    case VIDIOC_ENUM_FMT:
        return format_at(argument);
    case VIDIOC_G_FMT:
    case VIDIOC_TRY_FMT:
    case VIDIOC_S_FMT:
        return format(argument);
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM:
        return rate(argument);
    default:
        return buffers(request, argument);
    }
}
