//! Connections to what was checked, and to nothing else.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Url};

use crate::Refused;
use crate::public::is_public;

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those of the internet.
    Public,
    /// Also those of this machine and of private networks.
    Private,
}

impl Reach {
    /// A client that connects to nothing else, uses no proxy, and follows no redirect.
    ///
    /// A name is looked up for each connection, and what was found is checked and connected to: there is no second look-up that
    /// could find something else. A number in an address is not looked up: `check` is for that.
    pub fn client(self) -> ClientBuilder {
        // A second call changes nothing: it may have been done for something else.
        drop(rustls::crypto::ring::default_provider().install_default());
        ClientBuilder::new()
            .dns_resolver(Arc::new(self))
            .no_proxy()
            .redirect(Policy::none())
            .user_agent(concat!("aprove/", env!("CARGO_PKG_VERSION")))
    }

    /// Whether the host of an address, where it is a number, may be connected to.
    ///
    /// # Errors
    /// It may not, or there is none.
    pub fn check(self, url: &Url) -> Result<(), Refused> {
        let host = url
            .host_str()
            .ok_or_else(|| Refused::NoAddress("it has no host".to_owned()))?;
        // An address of version 6 stands in brackets.
        let number = host.trim_start_matches('[').trim_end_matches(']');
        match number.parse() {
            Ok(number) => self.allows(host, SocketAddr::new(number, 0)),
            Err(_) => Ok(()),
        }
    }

    fn allows(self, host: &str, address: SocketAddr) -> Result<(), Refused> {
        match self {
            Self::Public if !is_public(address.ip()) => {
                Err(Refused::Private(host.to_owned(), address.ip()))
            }
            Self::Public | Self::Private => Ok(()),
        }
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = *self;
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            for address in &found {
                reach.allows(name.as_str(), *address)?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_number_of_this_machine_is_not_asked_however_it_is_written() {
        for url in [
            "http://127.0.0.1/",
            "http://[::1]:80/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/latest/meta-data/",
            "http://[::ffff:169.254.169.254]/",
            "http://10.0.0.1:8080/",
        ] {
            let url = url.parse().unwrap();
            let refused = Reach::Public.check(&url);
            assert!(matches!(refused, Err(Refused::Private(..))), "{url}");
            assert_eq!(Reach::Private.check(&url), Ok(()), "{url}");
        }
        for url in [
            "https://1.1.1.1/",
            "https://[2606:4700::1111]/",
            "https://name/",
        ] {
            assert_eq!(Reach::Public.check(&url.parse().unwrap()), Ok(()), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused_by_the_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!(
            "http://localhost:{}/",
            listener.local_addr().unwrap().port()
        );
        let client = Reach::Public.client().build().unwrap();
        let error = client.get(&url).send().await.unwrap_err();
        let mut cause = error.source();
        while let Some(next) = cause.and_then(|error| error.source()) {
            cause = Some(next);
        }
        let said = cause.unwrap().to_string();
        assert!(said.contains("`localhost` is "), "{said}");
        // Nobody knocked.
        assert!(listener.accept().is_err());
    }
}
