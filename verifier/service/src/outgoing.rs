//! Requests that leave the service: to addresses that were checked, without a proxy, following nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url};

/// How long a receiver may take for everything.
const PATIENCE: Duration = Duration::from_secs(15);

/// Which addresses may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those of the internet.
    Public,
    /// Also those of this machine and of private networks.
    Private,
}

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the address has no host or no port that is known")]
    NoHost,
    #[error("`{0}` is not known: {1}")]
    Unknown(String, #[source] std::io::Error),
    #[error(
        "`{0}` is {1}, an address of this machine or a private network, which is not allowed here"
    )]
    Private(String, IpAddr),
    #[error("no client: {0}")]
    Client(#[from] reqwest::Error),
}

/// A client that connects to what was checked now, and to nothing else: a name that leads elsewhere a moment later is not asked
/// again.
pub(crate) async fn client(url: &Url, reach: Reach) -> Result<Client, Refused> {
    let host = url.host_str().ok_or(Refused::NoHost)?;
    let port = url.port_or_known_default().ok_or(Refused::NoHost)?;
    // An address of version 6 stands in brackets.
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((name, port)).await;
    let addresses: Vec<SocketAddr> = found
        .map_err(|error| Refused::Unknown(host.to_owned(), error))?
        .collect();
    if let (Reach::Public, Some(private)) = (
        reach,
        addresses.iter().find(|address| !is_public(address.ip())),
    ) {
        return Err(Refused::Private(host.to_owned(), private.ip()));
    }
    // A second call changes nothing: it may have been done for something else.
    let _set = rustls::crypto::ring::default_provider().install_default();
    Ok(Client::builder()
        .resolve_to_addrs(host, &addresses)
        .no_proxy()
        .redirect(Policy::none())
        .timeout(PATIENCE)
        .user_agent(concat!("aprove/", env!("CARGO_PKG_VERSION")))
        .build()?)
}

/// Whether an address is one of the internet: what is not known to be is not.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => address
            .to_ipv4_mapped()
            .map_or_else(|| is_public_v6(address), is_public_v4),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        // This network; shared by providers; protocols; benchmarks; reserved.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (18..20).contains(&b))
        || a >= 240)
}

/// What is given out (2000::/3), but for what wraps an address of version 4 or is for examples.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_given_out = first & 0xe000 == 0x2000;
    let is_special = first == 0x2002 || (first == 0x2001 && (second < 0x200 || second == 0xdb8));
    is_given_out && !is_special && first != 0x3fff
}

#[cfg(test)]
mod tests {
    use super::{Reach, Refused, client, is_public};

    #[test]
    fn no_address_of_a_private_network_is_public() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2002:a00:1::",
            "2001::1",
            "3fff::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_or_a_number_of_this_machine_is_not_asked() {
        for url in [
            "http://127.0.0.1/",
            "http://localhost/",
            "http://[::1]:80/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::ffff:169.254.169.254]/",
        ] {
            let refused = client(&url.parse().unwrap(), Reach::Public).await;
            assert!(matches!(refused, Err(Refused::Private(..))), "{url}");
        }
        let allowed = client(&"http://127.0.0.1/".parse().unwrap(), Reach::Private).await;
        allowed.unwrap();
    }
}
