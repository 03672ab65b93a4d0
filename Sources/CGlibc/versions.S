// Where glibc has given a function a newer version, the library asks for the one that glibc 2.27 already had, and so
// loads there, built on a later system too. The linker finds each name here before the C library's own; it stays inside
// the library, and goes on to the older function, which does the same. bindings/python/tests/test_manylinux.py fails
// where one is missing. Only x86-64 has versions so old, and libmartlet.a is without these: it is linked where it runs.
#if defined(__x86_64__) && defined(__linux__)

.macro inside name
    .section .text.\name, "ax", @progbits
    .globl \name
    .hidden \name
    .type \name, @function
\name:
.endm

.macro older name
    .symver older_\name, \name@GLIBC_2.2.5
    inside \name
    jmp older_\name@PLT
    .size \name, . - \name
.endm

// 2.29, 2.35 and 2.38: the same numbers, without a detour for a program's own handler of errors.
older exp
older exp2
older log
older log2
older hypotf
older fmod
older fmodf

// 2.32 and 2.34: moved into libc.so.6 from libpthread.so.0 and libdl.so.2, which Package.swift therefore names.
older pthread_sigmask
older pthread_getattr_np
older pthread_attr_getstack
older pthread_attr_setstacksize
older pthread_create
older pthread_key_create
older pthread_key_delete
older pthread_getspecific
older pthread_setspecific
older sem_init
older sem_open
older sem_post
older sem_wait
older dladdr
older dlerror
older dlopen
older dlsym

// 2.33: functions of their own, where the C library's headers had inline ones around these two, whose first argument
// says which struct stat is meant.
    .symver older_fxstat, __fxstat@GLIBC_2.2.5
    inside fstat
    movq %rsi, %rdx
    movl %edi, %esi
    movl $1, %edi
    jmp older_fxstat@PLT
    .size fstat, . - fstat

    .symver older_fxstatat, __fxstatat@GLIBC_2.4
    inside fstatat
    movl %ecx, %r8d
    movq %rdx, %rcx
    movq %rsi, %rdx
    movl %edi, %esi
    movl $1, %edi
    jmp older_fxstatat@PLT
    .size fstatat, . - fstatat

// GLIBCXX_3.4.29: std::__throw_bad_array_new_length, for a size that no memory has. The runtime catches nothing.
    inside _ZSt28__throw_bad_array_new_lengthv
    jmp abort@PLT
    .size _ZSt28__throw_bad_array_new_lengthv, . - _ZSt28__throw_bad_array_new_lengthv

#endif

#if defined(__linux__)
    .section .note.GNU-stack, "", @progbits
#endif
