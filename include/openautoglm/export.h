// What the headers of the library share.
#pragma once

#if defined(__GNUC__)
#define OPENAUTOGLM_API __attribute__((visibility("default")))
#else
#define OPENAUTOGLM_API
#endif
