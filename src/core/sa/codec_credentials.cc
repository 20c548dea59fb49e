// SPDX-License-Identifier: Apache-2.0
// A tunnel's certificates, keys and trust anchors, to protobuf and back.
#include "core/sa/codec_values.h"
#include "records.pb.h"

namespace anyswan::sa {

namespace {

constexpr std::size_t private_key_size_max = 16384;
constexpr std::size_t crl_size_max = envelope_size_max;

void put_blobs(const std::vector<Bytes>& values,
               google::protobuf::RepeatedPtrField<std::string>& list) {
    for (const Bytes& value : values) {
        put_bytes(value, *list.Add());
    }
}

bool get_blobs(const google::protobuf::RepeatedPtrField<std::string>& list, std::size_t size_max,
               std::vector<Bytes>& values) {
    if (static_cast<std::size_t>(list.size()) > list_size_max) {
        return false;
    }
    for (const std::string& blob : list) {
        if (blob.size() > size_max) {
            return false;
        }
        values.push_back(to_bytes(bytes_of(blob)));
    }
    return true;
}

bool get_anchors(const google::protobuf::RepeatedPtrField<v1::TrustAnchor>& list,
                 std::vector<TrustAnchor>& values) {
    constexpr std::size_t key_hash_size = 20;
    if (static_cast<std::size_t>(list.size()) > list_size_max) {
        return false;
    }
    for (const v1::TrustAnchor& anchor : list) {
        if (anchor.certificate().size() > blob_size_max ||
            anchor.key_hash().size() != key_hash_size) {
            return false;
        }
        values.push_back(
            {to_bytes(bytes_of(anchor.certificate())), to_bytes(bytes_of(anchor.key_hash()))});
    }
    return true;
}

/// An enum whose values are 0..`last`.
template <class Enum>
bool get_choice(std::uint32_t field, Enum last, Enum& value) {
    value = static_cast<Enum>(field);
    return field <= static_cast<std::uint32_t>(last);
}

}  // namespace

void put(const Credentials& value, v1::Credentials& message) {
    message.set_local(static_cast<std::uint32_t>(value.local));
    message.set_remote(static_cast<std::uint32_t>(value.remote));
    put_blobs(value.certificates, *message.mutable_certificates());
    put_bytes(value.private_key.reveal(), *message.mutable_private_key());
    message.set_rsa_padding(static_cast<std::uint32_t>(value.rsa_padding));
    for (const TrustAnchor& anchor : value.anchors) {
        v1::TrustAnchor& added = *message.add_anchors();
        put_bytes(anchor.certificate, *added.mutable_certificate());
        put_bytes(anchor.key_hash, *added.mutable_key_hash());
    }
    message.set_crl_check(static_cast<std::uint32_t>(value.crl_check));
    put_blobs(value.crls, *message.mutable_crls());
    put_texts(value.crl_urls, *message.mutable_crl_urls());
    message.set_crl_points(value.crl_points);
    put_bytes(value.ppk.id, *message.mutable_ppk_id());
    put_bytes(value.ppk.key.reveal(), *message.mutable_ppk());
    message.set_ppk_required(value.ppk.required);
}

bool get(const v1::Credentials& message, Credentials& value) {
    value.ppk.id = to_bytes(bytes_of(message.ppk_id()));
    value.ppk.required = message.ppk_required();
    value.crl_points = message.crl_points();
    value.private_key = Secret::copy_of(bytes_of(message.private_key()));
    return get_choice(message.local(), AuthKind::certificate, value.local) &&
           get_choice(message.remote(), AuthKind::certificate, value.remote) &&
           get_blobs(message.certificates(), blob_size_max, value.certificates) &&
           value.private_key.size() <= private_key_size_max &&
           get_choice(message.rsa_padding(), RsaPadding::pkcs1, value.rsa_padding) &&
           get_anchors(message.anchors(), value.anchors) &&
           get_choice(message.crl_check(), crypto::CrlCheck::strict, value.crl_check) &&
           get_blobs(message.crls(), crl_size_max, value.crls) &&
           get_texts(message.crl_urls(), value.crl_urls) && value.ppk.id.size() <= text_size_max &&
           get_secret(message.ppk(), value.ppk.key);
}

}  // namespace anyswan::sa
