/* poison.h -- telling AddressSanitizer which of our own memory is nobody's. Nothing without it. */
#pragma once

#if !defined(__has_feature)
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define IS_WATCHED 1
#define POISON(at, size) ASAN_POISON_MEMORY_REGION(at, size)
#define UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION(at, size)
#else
#define IS_WATCHED 0
#define POISON(at, size) ((void)(at))
#define UNPOISON(at, size) ((void)(at))
#endif
