// SPDX-License-Identifier: Apache-2.0
#include "net/test_netns.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <iostream>
#include <thread>

namespace anyswan::net::testing {

Result<Netns> Netns::make() {
    Result<Netns> made = fail("not run");
    std::thread([&] {
        if (unshare(CLONE_NEWNET) != 0) {
            made = fail_errno("make a network namespace (these tests need root: CAP_SYS_ADMIN)");
            return;
        }
        Fd fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
        made = fd.valid() ? Result<Netns>(Netns(std::move(fd)))
                          : Result<Netns>(fail_errno("open /proc/thread-self/ns/net"));
    }).join();
    if (made && !made->shell("ip link set lo up")) {
        return fail("ip link set lo up failed in a new network namespace (is iproute2 installed?)");
    }
    return made;
}

void Netns::run(const std::function<void()>& function) const {
    std::thread([&] {
        check(setns(fd_.get(), CLONE_NEWNET) == 0, "setns");
        function();
    }).join();
}

bool Netns::shell(const std::string& command, std::string* output) const {
    std::string text;
    int status = -1;
    run([&] {
        FILE* pipe = popen((command + " 2>&1").c_str(), "r");
        check(pipe != nullptr, "popen");
        std::array<char, 512> line{};
        while (fgets(line.data(), line.size(), pipe) != nullptr) {
            text += line.data();
        }
        status = pclose(pipe);
    });
    if (output != nullptr) {
        *output = text;
    } else if (status != 0) {
        std::cerr << "$ " << command << "\n" << text;
    }
    return status == 0;
}

std::string Netns::path() const {
    return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_.get());
}

}  // namespace anyswan::net::testing
