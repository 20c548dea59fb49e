// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace anyswan {

void check_failed(const char* what, const std::source_location& where) {
    std::fprintf(stderr, "anyswan: internal error: %s (%s:%u, %s). Please report this line.\n",
                 what, where.file_name(), where.line(), where.function_name());
    std::abort();
}

}  // namespace anyswan
