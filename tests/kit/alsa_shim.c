/* ALSA's file plugin has no hardware below it and would hand out single samples, each a packet: preloaded into a
 * process, this gives it the period of an ordinary card. */
int snd_pcm_hw_params_get_period_size_min(const void *params, unsigned long *frames, int *direction) {
    (void)params;
    *frames = 1024;
    if (direction)
        *direction = 0;
    return 0;
}
