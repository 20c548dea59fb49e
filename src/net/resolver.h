// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/ip.h"

namespace anyswan::net {

/// Looks names up without blocking its caller.
class Resolver {
public:
    /// Where answers are handed over, from another thread; not any more once the resolver is gone.
    using Post = std::function<void(std::function<void()>)>;
    explicit Resolver(Post post);
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    /// `done` gets the addresses of `name` as the system gives them, in its order; none on failure.
    void look_up(std::string name, std::function<void(std::vector<IpAddress>)> done);

private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
};

}  // namespace anyswan::net
