"""The one real-time thread: how the operating system starts it, and what is known of it."""

cdef extern from *:
    """
    #include <pthread.h>
    #include <sched.h>
    #include <string.h>
    #include <sys/resource.h>
    #if defined(__x86_64__)
    #include <xmmintrin.h>
    static inline void flush_denormals(void) { _mm_setcsr(_mm_getcsr() | 0x8040); }
    #elif defined(__aarch64__)
    static inline void flush_denormals(void) {
        unsigned long r; __asm__ volatile("mrs %0, fpcr" : "=r"(r)); r |= 1UL << 24;
        __asm__ volatile("msr fpcr, %0" : : "r"(r));
    }
    #else
    static inline void flush_denormals(void) {}
    #endif
    static long thread_page_faults(void) {
        struct rusage u; getrusage(RUSAGE_THREAD, &u); return u.ru_minflt + u.ru_majflt;
    }
    static void touch_stack(void) { volatile char page[131072]; memset((void *)page, 0, sizeof page); }
    /* 0, or the errno of the step that failed; priority 0 asks for the ordinary scheduler. */
    static int thread_start(unsigned long *handle, void *(*body)(void *), void *argument, int priority, int cpu) {
        pthread_attr_t attr; struct sched_param param; cpu_set_t set; pthread_t thread; int failed;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, 262144);
        if (priority > 0) {
            param.sched_priority = priority;
            pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
            pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
            pthread_attr_setschedparam(&attr, &param);
        }
        if (cpu >= 0) { CPU_ZERO(&set); CPU_SET(cpu, &set); pthread_attr_setaffinity_np(&attr, sizeof set, &set); }
        failed = pthread_create(&thread, &attr, body, argument);
        pthread_attr_destroy(&attr);
        *handle = (unsigned long)thread;
        return failed;
    }
    static void thread_join(unsigned long handle) { pthread_join((pthread_t)handle, 0); }
    """
    void flush_denormals() noexcept nogil
    long thread_page_faults() noexcept nogil
    void touch_stack() noexcept nogil
    int thread_start(unsigned long *handle, void *(*body)(void *) noexcept nogil, void *argument, int priority,
                     int cpu) noexcept nogil
    void thread_join(unsigned long handle) noexcept nogil
