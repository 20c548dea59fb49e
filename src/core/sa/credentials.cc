// SPDX-License-Identifier: Apache-2.0
#include "core/sa/credentials.h"

namespace anyswan::sa {

const char* name(AuthKind kind) {
    return kind == AuthKind::certificate ? "certificate" : "psk";
}

Credentials Credentials::clone() const {
    return {
        .local = local,
        .remote = remote,
        .certificates = certificates,
        .private_key = private_key.clone(),
        .rsa_padding = rsa_padding,
        .anchors = anchors,
        .crl_check = crl_check,
        .crls = crls,
        .crl_urls = crl_urls,
        .crl_points = crl_points,
        .ppk = {ppk.id, ppk.key.clone(), ppk.required},
    };
}

}  // namespace anyswan::sa
