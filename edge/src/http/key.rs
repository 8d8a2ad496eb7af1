//! `Idempotency-Key`: a UUID under which an account's first answer is given again.

use super::problem::Problem;
use axum::http::{HeaderMap, HeaderName};
use uuid::Uuid;

pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

pub fn read(headers: &HeaderMap) -> Result<Option<Uuid>, Problem> {
    let mut given = headers.get_all(HEADER).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let key = value.to_str().ok().and_then(|text| text.parse().ok()).filter(|_| given.next().is_none());
    key.map(Some).ok_or_else(|| Problem::malformed("Idempotency-Key must be one UUID"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_key_is_one_uuid() {
        let read =
            |keys: &[&'static str]| read(&keys.iter().map(|key| (HEADER, HeaderValue::from_static(key))).collect());
        let key = "0197b2a4-6d1e-7c3a-8f5e-2b9d4c6a8e10";
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&[key]).unwrap(), Some(key.parse().unwrap()));
        for bad in [&["1"][..], &[""], &[key, key]] {
            assert_eq!(read(bad).unwrap_err().code, natter_domain::Code::Malformed);
        }
    }
}
