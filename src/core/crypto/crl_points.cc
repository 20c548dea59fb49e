// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/crl_points.h"

#include <algorithm>

#include "core/crypto/x509_handles.h"

namespace anyswan::crypto {

namespace {

using Points = std::unique_ptr<CRL_DIST_POINTS, OpensslFree<CRL_DIST_POINTS_free>>;

constexpr std::size_t points_max = 8;
constexpr std::size_t url_size_max = 255;

bool fetchable(const std::string& url) {
    const bool printable =
        std::all_of(url.begin(), url.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    return printable && url.size() <= url_size_max &&
           (url.starts_with("http://") || url.starts_with("https://"));
}

void add_urls(const DIST_POINT* point, std::vector<std::string>& urls) {
    const bool indirect = point->CRLissuer != nullptr;
    if (indirect || point->distpoint == nullptr || point->distpoint->type != 0) {
        return;
    }
    const GENERAL_NAMES* names = point->distpoint->name.fullname;
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && urls.size() < points_max; ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI) {
            continue;
        }
        const ASN1_IA5STRING* text = name->d.uniformResourceIdentifier;
        std::string url(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                        static_cast<std::size_t>(ASN1_STRING_length(text)));
        if (fetchable(url)) {
            urls.push_back(std::move(url));
        }
    }
}

}  // namespace

std::vector<std::string> crl_points(const Certificate& certificate) {
    std::vector<std::string> urls;
    const Points points(static_cast<CRL_DIST_POINTS*>(
        X509_get_ext_d2i(certificate.handle(), NID_crl_distribution_points, nullptr, nullptr)));
    for (int i = 0; points != nullptr && i < sk_DIST_POINT_num(points.get()); ++i) {
        add_urls(sk_DIST_POINT_value(points.get(), i), urls);
    }
    return urls;
}

WallTime this_update(const Crl& crl) {
    return time_of(X509_CRL_get0_lastUpdate(crl.handle()));
}

}  // namespace anyswan::crypto
