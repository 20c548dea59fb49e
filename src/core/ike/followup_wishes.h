// SPDX-License-Identifier: Apache-2.0
// For tests: the CREATE_CHILD_SA exchanges that additional key exchanges can follow (RFC 9370).
#pragma once

#include <vector>

#include "core/ike/helpers.h"

namespace anyswan::ike::test {

struct Wish {
    const char* name;
    void (World::*begin)(Side&);
    std::size_t children;  // that live when it is done
};

inline const std::vector<Wish> wishes{{"creation", &World::create_child, 2},
                                      {"child_rekey", &World::rekey_child, 1},
                                      {"ike_rekey", &World::rekey_ike, 1}};

}  // namespace anyswan::ike::test
