/* keep_modules.c - preloaded into tests with sanitizers: no module is ever unloaded, so that a leak
 * in a Vulkan driver still has that driver's name when the process ends, which lsan.supp needs. */
int dlclose(void *module);
int dlclose(void *module) {
    (void)module;
    return 0;
}
