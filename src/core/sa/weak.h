// SPDX-License-Identifier: Apache-2.0
// Algorithms that a tunnel uses only if its allow_weak names them: old devices know no better, and
// nobody gets them by oversight.
#pragma once

#include <string>
#include <vector>

#include "core/sa/records.h"

namespace anyswan::sa {

/// A word of allow_weak.
struct Weakness {
    const char* word;
    const char* what;     // in full
    const char* because;  // why not
    const char* instead;  // what to give the router
};
[[nodiscard]] const std::vector<Weakness>& weaknesses();
/// Null: no such word.
[[nodiscard]] const Weakness* weakness_of(std::string_view word);

/// The words a suite takes; none if nothing in it is weak.
[[nodiscard]] std::vector<std::string> weak_words(const crypto::CipherSuite& suite);
[[nodiscard]] std::vector<std::string> weak_words(const crypto::IkeSuite& suite);
[[nodiscard]] std::vector<std::string> weak_words(const crypto::EspSuite& suite);

/// The suites that a tunnel offers and accepts: what this build can run, without the weak ones that
/// the tunnel does not allow.
[[nodiscard]] std::vector<crypto::IkeSuite> ike_suites_of(const TunnelRecord& tunnel);
[[nodiscard]] std::vector<crypto::EspSuite> esp_suites_of(const TunnelRecord& tunnel);

/// One sentence for each weak algorithm that the tunnel allows.
[[nodiscard]] std::vector<std::string> warnings(const TunnelRecord& tunnel);

}  // namespace anyswan::sa
