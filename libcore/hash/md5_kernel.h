#pragma once

// MD5 (RFC 1321) of several contents side by side, one in each element of a vector. This source is
// compiled once for each instruction set, so everything in it must stay private to its translation
// unit: an inline function shared with others could be linked from the one that uses instructions
// which the machine lacks. For the same reason it calls nothing of the standard library.

#include <cstddef>
#include <cstdint>
#include <utility>

#include "libcore/hash/md5_kernels.h"
#ifdef __AVX512VL__
#include <immintrin.h>
#endif

#define REVERSE_INLINE inline __attribute__((always_inline))

namespace reverse {
namespace {

template <unsigned W>
struct WordsOf {
  typedef std::uint32_t type __attribute__((vector_size(W * sizeof(std::uint32_t))));
};
template <>
struct WordsOf<1> {
  using type = std::uint32_t;
};
/// A 32-bit word of each of W contents.
template <unsigned W>
using Words = typename WordsOf<W>::type;

constexpr std::uint32_t kSines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
constexpr int kShifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
/// Step i of round r takes word (kStride[r] * i + kFirst[r]) % 16 of the block.
constexpr int kStride[4] = {1, 5, 3, 7};
constexpr int kFirst[4] = {0, 1, 5, 0};

// --- the bitwise functions of the rounds: one instruction with AVX-512, two or three without

#ifdef __AVX512VL__
constexpr bool kHasTernary = true;
template <int kTruth, typename V>
REVERSE_INLINE V ternary(V x, V y, V z) {
  if constexpr (sizeof(V) == 16)
    return (V)_mm_ternarylogic_epi32((__m128i)x, (__m128i)y, (__m128i)z, kTruth);
  else if constexpr (sizeof(V) == 32)
    return (V)_mm256_ternarylogic_epi32((__m256i)x, (__m256i)y, (__m256i)z, kTruth);
  else
    return (V)_mm512_ternarylogic_epi32((__m512i)x, (__m512i)y, (__m512i)z, kTruth);
}
#else
constexpr bool kHasTernary = false;
template <int kTruth, typename V>
V ternary(V x, V y, V z);  // nowhere called
#endif

/// t + (the round's function of b, c and d). What needs only c and d is taken first: b comes last.
template <int kRound, typename V>
REVERSE_INLINE V add_mixed(V t, V b, V c, V d) {
  if constexpr (kHasTernary && sizeof(V) > sizeof(std::uint32_t)) {
    if constexpr (kRound == 0) return t + ternary<0xca>(b, c, d);
    if constexpr (kRound == 1) return t + ternary<0xca>(d, b, c);
    if constexpr (kRound == 2) return t + ternary<0x96>(b, c, d);
    if constexpr (kRound == 3) return t + ternary<0x39>(b, c, d);
  } else {
    if constexpr (kRound == 0) return t + (d ^ (b & (c ^ d)));
    if constexpr (kRound == 1) return (t + (c & ~d)) + (b & d);  // no bit is set in both
    if constexpr (kRound == 2) return t + (b ^ (c ^ d));
    if constexpr (kRound == 3) return t + (c ^ (b | ~d));
  }
}

template <int kStep, typename V>
REVERSE_INLINE void step(V (&v)[4], const V (&block)[16]) {
  constexpr int kRound = kStep / 16;
  constexpr int kShift = kShifts[kRound][kStep % 4];
  constexpr int kA = (64 - kStep) % 4;  // a, b, c and d change places step by step
  V& a = v[kA];
  const V b = v[(kA + 1) % 4], c = v[(kA + 2) % 4], d = v[(kA + 3) % 4];
  const V word = block[(kStride[kRound] * (kStep % 16) + kFirst[kRound]) % 16];
  const V t = add_mixed<kRound>(a + (word + kSines[kStep]), b, c, d);
  a = ((t << kShift) | (t >> (32 - kShift))) + b;
}

template <unsigned G, typename V, int... kSteps>
REVERSE_INLINE void all_steps(V (&v)[G][4], const V (&blocks)[G][16],
                              std::integer_sequence<int, kSteps...>) {
  if constexpr (G == 1)
    (step<kSteps>(v[0], blocks[0]), ...);
  else
    ((step<kSteps>(v[0], blocks[0]), step<kSteps>(v[1], blocks[1])), ...);
}

// --- blocks of W contents to one vector a word: squares of W x W words are transposed

/// Within each 128 bits: the lower (kHigh 0) or upper two of the words, or of the pairs of words,
/// of x and y, alternating.
template <bool kPairs, bool kHigh, typename V, int... kIndices>
REVERSE_INLINE V zip(V x, V y, std::integer_sequence<int, kIndices...>) {
  constexpr int W = sizeof...(kIndices);
  constexpr auto source = [](int i) {
    const int first = i / 4 * 4 + (kHigh ? 2 : 0);
    return kPairs ? first + i % 2 + (i % 4 / 2) * W : first + i % 4 / 2 + (i % 2) * W;
  };
  return __builtin_shufflevector(x, y, source(kIndices)...);
}

/// The even (kOdd 0) or odd 128 bits of x, then those of y.
template <bool kOdd, typename V, int... kIndices>
REVERSE_INLINE V select_quarters(V x, V y, std::integer_sequence<int, kIndices...>) {
  constexpr auto source = [](int i) { return i / 4 * 8 + i % 4 + (kOdd ? 4 : 0); };
  return __builtin_shufflevector(x, y, source(kIndices)...);
}

template <unsigned W, typename V = Words<W>>
REVERSE_INLINE void transpose(const V (&rows)[W], V* columns) {
  constexpr auto indices = std::make_integer_sequence<int, W>();
  V part[W];  // [4 * g + k]: in its 128 bits number m, word 4 * m + k of rows 4 * g ... 4 * g + 3
  for (unsigned g = 0; g < W; g += 4) {
    const V low02 = zip<false, false>(rows[g], rows[g + 1], indices);
    const V high02 = zip<false, true>(rows[g], rows[g + 1], indices);
    const V low13 = zip<false, false>(rows[g + 2], rows[g + 3], indices);
    const V high13 = zip<false, true>(rows[g + 2], rows[g + 3], indices);
    part[g] = zip<true, false>(low02, low13, indices);
    part[g + 1] = zip<true, true>(low02, low13, indices);
    part[g + 2] = zip<true, false>(high02, high13, indices);
    part[g + 3] = zip<true, true>(high02, high13, indices);
  }
  for (unsigned k = 0; k < 4; ++k) {
    if constexpr (W == 4) {
      columns[k] = part[k];
    } else if constexpr (W == 8) {
      columns[k] = select_quarters<false>(part[k], part[4 + k], indices);
      columns[4 + k] = select_quarters<true>(part[k], part[4 + k], indices);
    } else {
      const V even0 = select_quarters<false>(part[k], part[4 + k], indices);
      const V even1 = select_quarters<false>(part[8 + k], part[12 + k], indices);
      const V odd0 = select_quarters<true>(part[k], part[4 + k], indices);
      const V odd1 = select_quarters<true>(part[8 + k], part[12 + k], indices);
      columns[k] = select_quarters<false>(even0, even1, indices);
      columns[8 + k] = select_quarters<true>(even0, even1, indices);
      columns[4 + k] = select_quarters<false>(odd0, odd1, indices);
      columns[12 + k] = select_quarters<true>(odd0, odd1, indices);
    }
  }
}

template <unsigned W>
REVERSE_INLINE void load_blocks(const unsigned char* const* at, Words<W> (&block)[16]) {
  if constexpr (W == 1) {
    __builtin_memcpy(block, at[0], sizeof block);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (std::uint32_t& word : block) word = __builtin_bswap32(word);
#endif
  } else {
    for (unsigned first = 0; first < 16; first += W) {
      Words<W> rows[W];
      for (unsigned i = 0; i < W; ++i)
        __builtin_memcpy(&rows[i], at[i] + first * sizeof(std::uint32_t), sizeof rows[i]);
      transpose<W>(rows, block + first);
    }
  }
}

/// G groups of W contents: what one group waits for leaves room for the instructions of the other.
template <unsigned W, unsigned G>
void md5_blocks(Md5States& states, const unsigned char** at, std::size_t blocks) {
  using V = Words<W>;
  V v[G][4];
  for (unsigned g = 0; g < G; ++g)
    for (unsigned k = 0; k < 4; ++k) __builtin_memcpy(&v[g][k], states.words[k] + g * W, sizeof(V));
  for (; blocks > 0; --blocks) {
    V block[G][16], before[G][4];
    for (unsigned g = 0; g < G; ++g) {
      load_blocks<W>(at + g * W, block[g]);
      for (unsigned i = 0; i < W; ++i) at[g * W + i] += kMd5BlockBytes;
      for (unsigned k = 0; k < 4; ++k) before[g][k] = v[g][k];
    }
    all_steps<G>(v, block, std::make_integer_sequence<int, 64>());
    for (unsigned g = 0; g < G; ++g)
      for (unsigned k = 0; k < 4; ++k) v[g][k] += before[g][k];
  }
  for (unsigned g = 0; g < G; ++g)
    for (unsigned k = 0; k < 4; ++k) __builtin_memcpy(states.words[k] + g * W, &v[g][k], sizeof(V));
}

}  // namespace
}  // namespace reverse

#undef REVERSE_INLINE
