//! Where a request comes from, as far as proxies that the operator trusts have told it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::http::header::HeaderMap;

use crate::config::Config;

/// The caller's address: the peer, or behind trusted proxies the last one in `X-Forwarded-For` that is none of them.
pub fn of(peer: Option<SocketAddr>, headers: &HeaderMap, config: &Config) -> Option<IpAddr> {
    let mut address = peer?.ip().to_canonical();
    let lines: Vec<_> = headers
        .get_all("x-forwarded-for")
        .map(|line| line.to_str().unwrap_or_default())
        .collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        if !config.trusts(address) {
            break;
        }
        // What cannot be read was not written by a proxy; the one that passed it on stands for its sender.
        let Some(hop) = parse(hop.trim()) else { break };
        address = hop;
    }
    Some(address)
}

fn parse(hop: &str) -> Option<IpAddr> {
    let address = hop
        .parse()
        .or_else(|_| hop.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

/// Who shares a fate with an address: itself, or the IPv6 network of 64 bits that one customer usually has.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}
