#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes requests.hex and kernel.hex, in a guest with kernel ESP:
#   labs/kernel/run uml -d tests/data/xfrm -- tests/data/xfrm/capture.sh
# Each record is a line "# what made it" and a line of hex: one netlink message.
set -eu
cd "$(dirname "$(readlink -f "$0")")"
cc -shared -fPIC -o /run/sendmsg_log.so sendmsg_log.c
K=0x000102030405060708090a0b0c0d0e0f10111213
K32=0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223
KC=0x000102030405060708090a0b0c0d0e0f
H=0x202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f
IN='src 198.51.100.2 dst 192.0.2.1 proto esp spi 0x1000'
OUT='src 192.0.2.1 dst 198.51.100.2 proto esp'
OUR='reqid 0x40000001 mode tunnel'

record() {
  rm -f /run/captured
  echo "# $*"
  LD_PRELOAD=/run/sendmsg_log.so CAPTURE=/run/captured "$@" >/dev/null
  cat /run/captured
}
{
  record ip xfrm state add $IN $OUR flag af-unspec aead 'rfc4106(gcm(aes))' $K 128 replay-window 64
  record ip xfrm state get $IN
  record ip xfrm state delete $IN
  record ip xfrm state add $IN $OUR flag af-unspec flag esn aead 'rfc4106(gcm(aes))' $K 128 encap espinudp 4500 4500 0.0.0.0 \
    replay-window 1024 output-mark 0x7 mask 0xffffffff if_id 0x40000001
  record ip xfrm state update $IN $OUR flag af-unspec flag esn aead 'rfc4106(gcm(aes))' $K 128 encap espinudp 4500 4501 0.0.0.0 \
    replay-window 1024 output-mark 0x7 mask 0xffffffff if_id 0x40000001 limit packet-soft 100 limit packet-hard 200 \
    limit time-hard 3600
  record ip xfrm state add $OUT spi 0x1001 $OUR flag af-unspec flag esn enc 'cbc(aes)' $KC auth-trunc 'hmac(sha256)' $H 128 \
    replay-window 32 replay-oseq 999 replay-oseq-hi 1
  record ip xfrm state add $OUT spi 0x1002 $OUR flag af-unspec aead 'rfc7539esp(chacha20,poly1305)' $K32 128 replay-window 64 \
    replay-oseq 41
  record ip xfrm state add src 2001:db8::1 dst 2001:db8::2 proto esp spi 0x1003 $OUR flag af-unspec aead 'rfc4106(gcm(aes))' \
    $K 128 replay-window 64 extra-flag dont-encap-dscp
  record ip xfrm policy update src 10.1.0.0/16 dst 10.2.0.0/16 dir out priority 100 if_id 0x40000001 \
    tmpl src 192.0.2.1 dst 198.51.100.2 proto esp spi 0x1001 $OUR
  record ip xfrm policy update src 10.2.0.0/16 dst 10.1.0.0/16 dir in priority 100 if_id 0x40000001 tmpl proto esp $OUR
  record ip xfrm policy update src 2001:db8:1::/48 dst 2001:db8:2::/48 proto udp dport 53 dir fwd priority 100 \
    mark 0x7 mask 0xff tmpl src 2001:db8::1 dst 2001:db8::2 proto esp $OUR
  record ip xfrm policy delete src 10.1.0.0/16 dst 10.2.0.0/16 dir out if_id 0x40000001
  record ip xfrm policy delete src 2001:db8:1::/48 dst 2001:db8:2::/48 proto udp dport 53 dir fwd mark 0x7 mask 0xff
} >requests.hex
ip xfrm state flush
ip xfrm policy flush
python3 kernel_messages.py >kernel.hex
