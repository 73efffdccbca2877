//! Where a request comes from: the client's address, and the network it is counted under.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

#[cfg(test)]
mod tests;

/// The network that connections and failures are counted under: one IPv4 address, or an IPv6 /64, which
/// is what one subscriber is given and can vary at will.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// One IPv4 address.
    V4(u32),
    /// The upper half of an IPv6 address.
    V6(u64),
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.to_bits()),
            IpAddr::V6(v6) => {
                let upper = v6.to_bits() >> 64;
                Self::V6(u64::try_from(upper).expect("half of 128 bits are 64"))
            }
        }
    }
}

/// Who sent a request. A router finds it in the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The other end of the connection, which may be a proxy.
    pub socket: SocketAddr,
    /// The client: what a trusted proxy says of it, else the other end of the connection.
    pub client: IpAddr,
}

impl Peer {
    /// The peer of a request over `socket`. `X-Forwarded-For` is believed only as far as trusted proxies
    /// wrote it: read from the right, the first address that is no trusted proxy is the client. What is
    /// not an address ends the reading.
    pub fn of(socket: SocketAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let is_proxy = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
        let mut client = socket.ip().to_canonical();
        if !is_proxy(&client) {
            return Self { socket, client };
        }
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let mut hops = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(',')).map(str::trim);
        while is_proxy(&client) {
            let Some(Ok(hop)) = hops.next().map(str::parse::<IpAddr>) else { break };
            client = hop.to_canonical();
        }
        Self { socket, client }
    }
}
