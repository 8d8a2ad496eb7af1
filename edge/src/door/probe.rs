//! What the door costs by itself, for benchmarks: what each request goes through, without a request. Nobody asks so often that
//! they are refused: each is somebody else than the one before.

use super::{
    Keeper, Visitor,
    bucket::Left,
    table::{self, By},
    told::tell,
};
use crate::{Settings, auth::Auth};
use axum::http::{HeaderMap, HeaderValue, header};
use natter_commands::Caller;
use natter_domain::{AccountId, SessionId};
use natter_streams::{bus::Bus, id, keyring::Keyring};
use std::{net::IpAddr, sync::Arc};
use uuid::Uuid;

/// A route that only limits of every request count, and one that all nodes count together.
const USUAL: (&str, &str) = ("GET", "/api/v1/friends");
const TOGETHER: (&str, &str) = ("POST", "/api/v1/auth/login");

pub struct Probe {
    auth: Auth,
    keeper: Keeper,
    headers: HeaderMap,
}

impl Probe {
    /// With the limits that everybody has, and buckets on this bus.
    pub fn new(bus: &Bus) -> Self {
        let keyring = Arc::new(Keyring::new(&id::random()));
        let auth = Auth::new(&keyring);
        let token = format!("Bearer {}", auth.access_token(caller(0)));
        let value = HeaderValue::try_from(token).expect("a token is ASCII");
        let shared = (super::Shared::new(bus, keyring.clone()), super::Signatures::new(bus, keyring));
        let keeper = Keeper::new(Settings::default().door, true, false, Some(shared));
        Self { auth, keeper, headers: HeaderMap::from_iter([(header::AUTHORIZATION, value)]) }
    }

    /// Checks an access token: its signature, its time, and whether its session has ended.
    pub fn token(&self) -> bool {
        self.auth.authenticate(&self.headers).is_ok()
    }

    /// Finds out where a request comes from and whether that is let in, counts it by address, account and session, and says so
    /// in headers.
    pub async fn limits(&self, number: u32) -> bool {
        let by_address = table::of_request(USUAL.0, Some(USUAL.1), &[By::Address]);
        let by_caller = table::of_request(USUAL.0, Some(USUAL.1), &[By::Account, By::Session]);
        let Ok(counted) = self.keeper.count_visitor(self.visitor(number), by_address).await else { return false };
        let Ok(more) = self.keeper.count_caller(caller(number), by_caller).await else { return false };
        told(&[counted, more].concat())
    }

    /// The same of a login: its bucket is one of all nodes.
    pub async fn together(&self, number: u32) -> bool {
        let limits = table::of_request(TOGETHER.0, Some(TOGETHER.1), &[By::Address]);
        self.keeper.count_visitor(self.visitor(number), limits).await.is_ok_and(|counted| told(&counted))
    }

    fn visitor(&self, number: u32) -> Visitor {
        self.keeper.visitor(Some(IpAddr::from(number.to_be_bytes())), &self.headers)
    }
}

fn told(counted: &[Left]) -> bool {
    let mut headers = HeaderMap::new();
    tell(counted, &mut headers);
    headers.len() == 2
}

fn caller(number: u32) -> Caller {
    let id = Uuid::from_u128(number.into());
    Caller { account: AccountId(id), session: SessionId(id) }
}
