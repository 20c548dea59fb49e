// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace anyswan {

void check_failed(const char* what, const CodeLocation& where) {
    std::fprintf(stderr, "anyswan: internal error: %s (%s:%u, %s). Please report this line.\n",
                 what, where.file, where.line, where.function);
    std::abort();
}

}  // namespace anyswan
