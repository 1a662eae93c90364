// Ties symbols to the versions that older systems have too: for these two alone a build on Debian 12 would
// ask for glibc 2.35 and the libstdc++ of GCC 12. scripts/check-binaries.mjs says what a binary asks for.
#pragma once

#include <cmath>
#include <condition_variable>

#if defined(__GLIBC__) && defined(__x86_64__) && !defined(DINOV3_SEG_CURRENT_SYMBOLS)
__asm__(".symver hypot,hypot@GLIBC_2.2.5");
__asm__(
    ".symver _ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE,"
    "_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE@GLIBCXX_3.4.11");
#endif
