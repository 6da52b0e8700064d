"""The one real-time thread: how the operating system starts it, and what is known of it."""

cdef extern from *:
    """
    #include <pthread.h>
    #include <sched.h>
    #include <string.h>
    #include <sys/resource.h>
    #if defined(__x86_64__)
    #include <xmmintrin.h>
    #define FLUSH_DENORMALS 0x8040
    static inline unsigned long float_state(void) { return _mm_getcsr(); }
    static inline void set_float_state(unsigned long r) { _mm_setcsr((unsigned)r); }
    #elif defined(__aarch64__)
    #define FLUSH_DENORMALS (1UL << 24)
    static inline unsigned long float_state(void) {
        unsigned long r; __asm__ volatile("mrs %0, fpcr" : "=r"(r)); return r;
    }
    static inline void set_float_state(unsigned long r) { __asm__ volatile("msr fpcr, %0" : : "r"(r)); }
    #else
    #define FLUSH_DENORMALS 0
    static inline unsigned long float_state(void) { return 0; }
    static inline void set_float_state(unsigned long r) { (void)r; }
    #endif
    /* Returns what it was: a thread that is not ours gets it back by set_float_state. */
    static inline unsigned long flush_denormals(void) {
        unsigned long was = float_state(); set_float_state(was | FLUSH_DENORMALS); return was;
    }
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
    unsigned long flush_denormals() noexcept nogil
    void set_float_state(unsigned long state) noexcept nogil
    long thread_page_faults() noexcept nogil
    void touch_stack() noexcept nogil
    int thread_start(unsigned long *handle, void *(*body)(void *) noexcept nogil, void *argument, int priority,
                     int cpu) noexcept nogil
    void thread_join(unsigned long handle) noexcept nogil
