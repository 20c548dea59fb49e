# SPDX-License-Identifier: Apache-2.0
# Who does ML-KEM: OpenSSL from 3.5 on, else PQClean's reference code (tools/fetch-pqclean brings it), else nobody.
# Sets ANYSWAN_ML_KEM to openssl, pqclean or none: core/crypto compiles ml_kem_${ANYSWAN_ML_KEM}.cc.

if(OPENSSL_VERSION VERSION_GREATER_EQUAL 3.5)
  set(ANYSWAN_ML_KEM openssl)
  return()
endif()

execute_process(COMMAND ${PROJECT_SOURCE_DIR}/tools/fetch-pqclean RESULT_VARIABLE failed ERROR_VARIABLE why)
if(failed)
  set(ANYSWAN_ML_KEM none)
  message(WARNING "No ML-KEM (post-quantum key exchange) in this build, and its tests will fail. ${why}")
  return()
endif()

set(ANYSWAN_ML_KEM pqclean)
set(pqclean_folder ${PROJECT_SOURCE_DIR}/third_party/pqclean)
file(GLOB pqclean_sources ${pqclean_folder}/crypto_kem/ml-kem-*/clean/*.c)
add_library(anyswan_pqclean STATIC ${pqclean_sources} ${pqclean_folder}/common/fips202.c)
target_include_directories(anyswan_pqclean PRIVATE ${pqclean_folder}/common)
# Always optimised: the tests run millions of these. Not our code, so not our warnings. Its free() is
# replaced by one that wipes first (ml_kem_pqclean.cc).
target_compile_options(anyswan_pqclean PRIVATE -O2 -w -fno-omit-frame-pointer)
target_compile_definitions(anyswan_pqclean PRIVATE free=anyswan_wiping_free)
