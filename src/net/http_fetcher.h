// SPDX-License-Identifier: Apache-2.0
// Fetches small files by http and https, one after another, on a thread of its own: whoever asks is
// never kept waiting. Limits of time and size always hold.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

namespace anyswan::net {

struct FetchLimits {
    std::size_t size_max = 0;
    Duration connect_timeout = 5s;
    Duration timeout = 20s;  // of the whole transfer
};

class HttpFetcher {
public:
    HttpFetcher();
    /// Waits for the transfer under way, whose timeout bounds it; what waits is dropped.
    ~HttpFetcher();
    HttpFetcher(const HttpFetcher&) = delete;
    HttpFetcher& operator=(const HttpFetcher&) = delete;

    /// `done` runs on the fetcher's thread, with the body of a 200 answer; else in words what
    /// happened. Up to three redirections are followed, to http and https only.
    void fetch(std::string url, FetchLimits limits, std::function<void(Result<Bytes>)> done);

private:
    struct Job {
        std::string url;
        FetchLimits limits;
        std::function<void(Result<Bytes>)> done;
    };
    void work();

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Job> jobs_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace anyswan::net
