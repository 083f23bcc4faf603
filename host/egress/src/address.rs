//! Which addresses are of the public internet: none of IANA's special-purpose registries (RFC 6890) is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network: its first address, and how many of its bits count.
type Net4 = (Ipv4Addr, u32);
type Net6 = (Ipv6Addr, u32);

const fn net4(a: u8, b: u8, c: u8, bits: u32) -> Net4 {
    (Ipv4Addr::new(a, b, c, 0), bits)
}

const fn net6(a: u16, b: u16, c: u16, bits: u32) -> Net6 {
    (Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), bits)
}

/// The IANA IPv4 Special-Purpose Address Registry, multicast and the reserved class. Also its globally reachable rows: what
/// they serve (AS112, anycast relays) is nothing that an agent calls.
const SPECIAL4: [Net4; 18] = [
    // This network, private use, shared by carriers, loopback, link-local.
    net4(0, 0, 0, 8),
    net4(10, 0, 0, 8),
    net4(100, 64, 0, 10),
    net4(127, 0, 0, 8),
    net4(169, 254, 0, 16),
    net4(172, 16, 0, 12),
    // IETF protocols, documentation, AS112, AMT, 6to4 relays.
    net4(192, 0, 0, 24),
    net4(192, 0, 2, 24),
    net4(192, 31, 196, 24),
    net4(192, 52, 193, 24),
    net4(192, 88, 99, 24),
    // Private use, AS112, benchmarks, documentation.
    net4(192, 168, 0, 16),
    net4(192, 175, 48, 24),
    net4(198, 18, 0, 15),
    net4(198, 51, 100, 24),
    net4(203, 0, 113, 24),
    // Multicast; reserved, with the broadcast address.
    net4(224, 0, 0, 4),
    net4(240, 0, 0, 4),
];

/// The only part of IPv6 that is given out as global unicast (IANA IPv6 Global Unicast Address Assignments). Mapped, compatible
/// and translated IPv4, unique local, link-local and multicast addresses all lie outside of it.
const GLOBAL6: Net6 = net6(0x2000, 0, 0, 3);

/// What of that is special: IETF protocols with Teredo, benchmarks and ORCHID; documentation; 6to4; AS112; documentation.
const SPECIAL6: [Net6; 5] = [
    net6(0x2001, 0, 0, 23),
    net6(0x2001, 0xdb8, 0, 32),
    net6(0x2002, 0, 0, 16),
    net6(0x2620, 0x4f, 0x8000, 48),
    net6(0x3fff, 0, 0, 20),
];

/// Whether an address is of the public internet.
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL4.iter().any(|net| is_in4(address, *net)),
        IpAddr::V6(address) => is_in6(address, GLOBAL6) && !SPECIAL6.iter().any(|net| is_in6(address, *net)),
    }
}

fn is_in4(address: Ipv4Addr, (first, bits): Net4) -> bool {
    (address.to_bits() ^ first.to_bits()) >> (Ipv4Addr::BITS - bits) == 0
}

fn is_in6(address: Ipv6Addr, (first, bits): Net6) -> bool {
    (address.to_bits() ^ first.to_bits()) >> (Ipv6Addr::BITS - bits) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First, some inner and last address of each special network.
    const SPECIAL: &str = "
        0.0.0.0 0.0.0.1 0.255.255.255 10.0.0.0 10.1.2.3 10.255.255.255 100.64.0.0 100.64.0.1 100.100.100.200
        100.127.255.255 127.0.0.0 127.0.0.1 127.1.1.1 127.255.255.255 169.254.0.0 169.254.169.253 169.254.169.254
        169.254.170.2 169.254.255.255 172.16.0.0 172.17.0.1 172.31.255.255 192.0.0.0 192.0.0.1 192.0.0.8 192.0.0.9
        192.0.0.10 192.0.0.170 192.0.0.171 192.0.0.192 192.0.0.255 192.0.2.0 192.0.2.1 192.0.2.255 192.31.196.0
        192.31.196.1 192.31.196.255 192.52.193.0 192.52.193.1 192.52.193.255 192.88.99.0 192.88.99.1 192.88.99.2
        192.88.99.255 192.168.0.0 192.168.0.1 192.168.1.1 192.168.255.255 192.175.48.0 192.175.48.1 192.175.48.255
        198.18.0.0 198.18.0.1 198.19.255.255 198.51.100.0 198.51.100.1 198.51.100.255 203.0.113.0 203.0.113.1
        203.0.113.255 224.0.0.0 224.0.0.1 224.0.0.251 232.1.1.1 233.252.0.1 239.255.255.250 239.255.255.255
        240.0.0.0 240.0.0.1 250.1.2.3 255.255.255.254 255.255.255.255 :: ::1 ::2 ::127.0.0.1 ::10.0.0.1 ::8.8.8.8
        ::ffff:0.0.0.0 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1
        64:ff9b:: 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::808:808 64:ff9b:1:: 64:ff9b:1::7f00:1
        64:ff9b:1:ffff:ffff:ffff:ffff:ffff 100:: 100::1 100::ffff:ffff:ffff:ffff 100:0:0:1:: 100:0:0:1::1 2001::
        2001::1 2001:0:7f00:1:: 2001:0:ffff:ffff:ffff:ffff:ffff:ffff 2001:1::1 2001:1::2 2001:1::3 2001:2::
        2001:2::1 2001:3::1 2001:4:112::1 2001:10:: 2001:1f:ffff::1 2001:20:: 2001:2f:ffff::1 2001:30::1
        2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff 2001:db8:: 2001:db8::1 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff 2002::
        2002:7f00:1:: 2002:a00:1:: 2002:a9fe:a9fe:: 2002:808:808::1 2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff
        2620:4f:8000:: 2620:4f:8000::1 3fff:: 3fff::1 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff 4000::1 5f00:: 5f00::1
        5fff::1 8000::1 fc00:: fc00::1 fd00::1 fd00:ec2::254 fd12:3456:789a::1 fdff:ffff::1 fe80:: fe80::1 febf::1
        fec0::1 feff::1 ff00:: ff01::1 ff02::1 ff02::fb ff05::1:3 ff0e::1 ffff::1
    ";

    /// The neighbours of special networks, and some addresses that everybody knows.
    const GLOBAL: &str = "
        1.0.0.0 1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
        169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.31.195.255
        192.31.197.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255
        198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 2000::1 2001:200::1 2001:4860:4860::8888
        2001:db7:ffff::1 2001:db9::1 2003::1 2606:4700:4700::1111 2620:4f:7fff::1 2620:4f:8001::1 2a00:1450::1
        3ffe:ffff::1 3fff:1000::1
    ";

    #[test]
    fn no_address_of_a_special_registry_is_global_and_its_neighbours_are() {
        let check = |raw: &str, expected| assert_eq!(is_global(raw.parse().unwrap()), expected, "{raw}");
        assert!(SPECIAL.split_whitespace().count() >= 120);
        SPECIAL.split_whitespace().for_each(|raw| check(raw, false));
        GLOBAL.split_whitespace().for_each(|raw| check(raw, true));
    }
}
