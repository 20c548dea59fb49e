// SPDX-License-Identifier: Apache-2.0
#include "net/http_fetcher.h"

#include <curl/curl.h>

#include <array>
#include <memory>

namespace anyswan::net {

namespace {

struct Close {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

struct Body {
    Bytes bytes;
    std::size_t size_max = 0;
    bool too_large = false;
};

std::size_t append(char* data, std::size_t /*one*/, std::size_t size, void* to) {
    auto& body = *static_cast<Body*>(to);
    if (body.bytes.size() + size > body.size_max) {
        body.too_large = true;
        return 0;  // ends the transfer
    }
    const auto* from = reinterpret_cast<const std::uint8_t*>(data);
    body.bytes.insert(body.bytes.end(), from, from + size);
    return size;
}

long milliseconds(Duration time) {
    return static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
}

void configure(CURL* curl, const std::string& url, const FetchLimits& limits, Body& body,
               char* error) {
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 3L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(limits.connect_timeout));
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, milliseconds(limits.timeout));
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "anyswan");
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
}

Result<Bytes> transfer(const std::string& url, const FetchLimits& limits) {
    const std::unique_ptr<CURL, Close> curl(curl_easy_init());
    if (curl == nullptr) {
        return fail("the transfer could not be set up");
    }
    Body body{{}, limits.size_max, false};
    std::array<char, CURL_ERROR_SIZE> error{};
    configure(curl.get(), url, limits, body, error.data());
    const CURLcode code = curl_easy_perform(curl.get());
    if (body.too_large) {
        return fail("it is larger than " + std::to_string(limits.size_max / 1024) + " KiB");
    }
    if (code != CURLE_OK) {
        return fail(error[0] != '\0' ? std::string(error.data())
                                     : std::string(curl_easy_strerror(code)));
    }
    long status = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
    constexpr long ok = 200;
    if (status != ok) {
        return fail("the server answered with status " + std::to_string(status));
    }
    return std::move(body.bytes);
}

}  // namespace

HttpFetcher::HttpFetcher() {
    // Not safe beside other threads that use it: this is the only one.
    static const CURLcode set_up = curl_global_init(CURL_GLOBAL_DEFAULT);
    (void)set_up;
    thread_ = std::thread([this] { work(); });
}

HttpFetcher::~HttpFetcher() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
}

void HttpFetcher::fetch(std::string url, FetchLimits limits,
                        std::function<void(Result<Bytes>)> done) {
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back({std::move(url), limits, std::move(done)});
    }
    wake_.notify_all();
}

void HttpFetcher::work() {
    for (;;) {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        if (stopping_) {
            return;
        }
        const Job job = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        job.done(transfer(job.url, job.limits));
    }
}

}  // namespace anyswan::net
