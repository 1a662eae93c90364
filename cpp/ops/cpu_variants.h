// Functions compiled for several instruction sets, of which the processor's best is called. Flags for a whole
// file would not do: inline functions of other headers, compiled for AVX-512 there, could be the ones that
// the linker keeps.
#pragma once

namespace dinov3_seg {

/// Defines name_default, name_avx2 and name_avx512 with the given arguments, whose bodies call
/// `body<L>` with L floats in a vector, and name(), which gives the best of them.
#ifdef __x86_64__
#define DINOV3_SEG_VARIANTS(name, body, parameters, arguments)                                           \
  void name##_default parameters { body<4> arguments; }                                                  \
  __attribute__((target("avx2,fma"))) void name##_avx2 parameters { body<8> arguments; }                 \
  __attribute__((target("avx2,fma,avx512f,avx512vl,avx512dq,avx512bw"))) void name##_avx512 parameters { \
    body<16> arguments;                                                                                  \
  }                                                                                                      \
  auto name() {                                                                                          \
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&                       \
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))                        \
      return name##_avx512;                                                                              \
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return name##_avx2;             \
    return name##_default;                                                                               \
  }
#else
#define DINOV3_SEG_VARIANTS(name, body, parameters, arguments) \
  void name##_default parameters { body<4> arguments; }        \
  auto name() { return name##_default; }
#endif

}  // namespace dinov3_seg
