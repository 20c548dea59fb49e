// SPDX-License-Identifier: Apache-2.0
#include "nats_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace anyswan::store {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

bool greets(std::uint16_t port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(port);
    char first = 0;
    const bool greeted =
        connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
        read(fd, &first, 1) == 1 && first == 'I';  // "INFO {...}"
    close(fd);
    return greeted;
}

std::string fill_in(std::string text, const std::map<std::string, std::string>& values) {
    for (const auto& [name, value] : values) {
        const std::string mark = "@" + name + "@";
        for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
            text.replace(at, mark.size(), value);
        }
    }
    return text;
}

std::string read_file(const fs::path& path) {
    std::ifstream file(path);
    if (!file) {
        throw std::runtime_error("can't read " + path.string());
    }
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

std::uint16_t free_port() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
        getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        throw std::runtime_error("no free port");
    }
    close(fd);
    return ntohs(address.sin_port);
}

TemporaryFolder::TemporaryFolder() {
    std::string pattern = fs::temp_directory_path() / "anyswan-store-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) {
        throw std::runtime_error("can't make a temporary folder");
    }
    path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

NatsServer::NatsServer(std::string binary, std::string config_template, std::string name,
                       std::map<std::string, std::string> values)
    : binary_(std::move(binary)), name_(std::move(name)), port_(free_port()) {
    if (const auto given = values.find("PORT"); given != values.end()) {
        port_ = static_cast<std::uint16_t>(std::stoi(given->second));
    }
    values["NAME"] = name_;
    values["PORT"] = std::to_string(port_);
    values["DIR"] = (folder_.path() / "data").string();
    config_ = (folder_.path() / "server.conf").string();
    std::ofstream(config_) << fill_in(read_file(fs::path(ANYSWAN_STORE_TESTS) / config_template),
                                      values);
}

NatsServer::~NatsServer() {
    kill();
}

void NatsServer::start() {
    const std::string log = (folder_.path() / "log").string();
    pid_ = fork();
    if (pid_ == 0) {
        // A test that dies takes its servers along.
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execl(binary_.c_str(), binary_.c_str(), "-c", config_.c_str(), nullptr);
        _exit(127);
    }
    const auto deadline = Clock::now() + std::chrono::seconds(60);
    while (!greets(port_)) {
        if (Clock::now() > deadline || waitpid(pid_, nullptr, WNOHANG) == pid_) {
            throw std::runtime_error(binary_ + " did not start:\n" + read_file(log));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
}

void NatsServer::kill() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
}

void NatsServer::freeze() {
    ::kill(pid_, SIGSTOP);
    waitpid(pid_, nullptr, WUNTRACED);
}

void NatsServer::thaw() {
    ::kill(pid_, SIGCONT);
}

std::string NatsServer::url_at(std::uint16_t port) {
    return "nats://127.0.0.1:" + std::to_string(port);
}

void NatsServer::save_copy() {
    fs::remove_all(folder_.path() / "copy");
    fs::copy(folder_.path() / "data", folder_.path() / "copy", fs::copy_options::recursive);
}

void NatsServer::restore_copy() {
    lose_data();
    fs::copy(folder_.path() / "copy", folder_.path() / "data", fs::copy_options::recursive);
}

void NatsServer::lose_data() {
    fs::remove_all(folder_.path() / "data");
}

std::string system_nats_server() {
    if (const char* const named = std::getenv("ANYSWAN_NATS_SERVER")) {
        return named;
    }
    for (const char* const path :
         {"/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"}) {
        if (access(path, X_OK) == 0) {
            return path;
        }
    }
    throw std::runtime_error(
        "no nats-server: install the package nats-server or set ANYSWAN_NATS_SERVER");
}

std::unique_ptr<NatsServer> make_single_server() {
    return std::make_unique<NatsServer>(system_nats_server(), "single.conf.in", "single");
}

}  // namespace anyswan::store
