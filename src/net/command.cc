// SPDX-License-Identifier: Apache-2.0
#include "net/command.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <memory>

#include "net/fd.h"

namespace anyswan::net {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int look_every_ms = 20;
constexpr std::size_t output_kept = 512;

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) {
        text += (text.empty() ? "" : " ") + word;
    }
    return "`" + text + "`";
}

std::vector<char*> pointers(std::vector<std::string>& words) {
    std::vector<char*> all;
    for (std::string& word : words) {
        all.push_back(word.data());
    }
    all.push_back(nullptr);
    return all;
}

std::vector<std::string> environment_of(const Command& command) {
    std::vector<std::string> all;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        all.emplace_back(*entry);
    }
    for (const auto& [name, value] : command.environment) {
        all.push_back(name + "=" + value);
    }
    return all;
}

/// Starts it in a process group of its own, its output into `output`.
Result<pid_t> spawn(const Command& command, int output) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    sigset_t ignored;
    sigemptyset(&ignored);
    sigaddset(&ignored, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &ignored);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::vector<std::string> words = command.words;
    std::vector<std::string> environment = environment_of(command);
    pid_t pid = 0;
    const int error = posix_spawnp(&pid, words.front().c_str(), &actions, &attributes,
                                   pointers(words).data(), pointers(environment).data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        return fail("cannot run " + joined(words) + ": " + std::strerror(error));
    }
    return pid;
}

/// Keeps the end of what it prints.
void read_output(int fd, std::string& kept) {
    std::array<char, 512> buffer{};
    for (ssize_t size = read(fd, buffer.data(), buffer.size()); size > 0;
         size = read(fd, buffer.data(), buffer.size())) {
        kept.append(buffer.data(), static_cast<std::size_t>(size));
        if (kept.size() > output_kept) {
            kept.erase(0, kept.size() - output_kept);
        }
    }
}

std::string last_line(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
        text.pop_back();
    }
    const std::size_t begin = text.rfind('\n');
    return begin == std::string::npos ? text : text.substr(begin + 1);
}

}  // namespace

Status run_command(const Command& command) {
    if (command.words.empty()) {
        return {};
    }
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail(std::string("cannot make a pipe: ") + std::strerror(errno));
    }
    const Fd output(ends[0]);
    Fd input(ends[1]);
    fcntl(output.get(), F_SETFL, O_NONBLOCK);
    const Result<pid_t> pid = spawn(command, input.get());
    if (!pid) {
        return Unexpected{pid.error()};
    }
    input = Fd();
    const Clock::time_point deadline = Clock::now() + command.timeout;
    std::string printed;
    int status = 0;
    while (waitpid(*pid, &status, WNOHANG) == 0) {
        if (Clock::now() > deadline) {
            kill(-*pid, SIGKILL);
            waitpid(*pid, &status, 0);
            return fail(joined(command.words) + " had not ended after " +
                        std::to_string(command.timeout / 1s) + " s and was ended");
        }
        pollfd waiting{output.get(), POLLIN, 0};
        poll(&waiting, 1, look_every_ms);
        read_output(output.get(), printed);
        if ((waiting.revents & POLLHUP) != 0) {
            poll(nullptr, 0, 1);  // it closed its output: the end is near
        }
    }
    read_output(output.get(), printed);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return {};
    }
    const std::string how = WIFEXITED(status)
                                ? "ended with status " + std::to_string(WEXITSTATUS(status))
                                : "was ended by signal " + std::to_string(WTERMSIG(status));
    const std::string said = last_line(printed);
    return fail(joined(command.words) + " " + how + (said.empty() ? "" : ": " + said));
}

}  // namespace anyswan::net
