//! What browsers are told, and what pages may do through them.

use super::*;
use crate::door::Origins;
use axum::http::HeaderValue;

#[tokio::test]
async fn a_page_of_another_origin_opens_no_websocket() {
    let origins = Origins::parse("https://app.example").unwrap();
    let house = house(settings(door::Settings { origins, ..door::Settings::default() })).await;
    let own = format!("http://{}", house.address);
    for origin in [None, Some(own.as_str()), Some("https://app.example")] {
        assert!(house.socket(origin).await.is_ok(), "{origin:?}");
    }
    for origin in ["https://evil.example", "null", "https://app.example.evil.example", "http://app.example"] {
        assert_eq!(status(house.socket(Some(origin)).await).await, 403, "{origin}");
    }
    house.edge.stop.cancel();
}

fn of_page(line: &str, origin: &str) -> Request<Body> {
    let mut request = request(line, None, "");
    request.headers_mut().insert("origin", origin.parse().unwrap());
    request
}

#[tokio::test]
async fn pages_of_listed_origins_may_read_answers_and_others_may_not() {
    let origins = Origins::parse("https://app.example").unwrap();
    let listed = router(&edge_with(settings(door::Settings { origins, ..door::Settings::default() })));
    let (_, usual) = doors();
    let line = "GET /api/v1/friends";
    let allowed = call(&listed, of_page(line, "https://app.example")).await;
    assert_eq!(allowed.status, 401);
    assert_eq!(allowed.header("access-control-allow-origin"), "https://app.example");
    assert!(allowed.header("access-control-expose-headers").contains("natter-position"));
    assert_eq!(allowed.header("vary"), "origin");
    for (router, origin) in [(&listed, "https://evil.example"), (&usual, "https://app.example"), (&usual, "null")] {
        let answer = call(router, of_page(line, origin)).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
    }
    for answer in [&allowed, &call(&listed, request("GET /nothing", None, "")).await] {
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
}

#[tokio::test]
async fn a_browser_is_told_what_a_listed_page_may_send() {
    let origins = Origins::parse("https://app.example").unwrap();
    let router = router(&edge_with(settings(door::Settings { origins, ..door::Settings::default() })));
    let asks = |origin: &str| {
        let mut request = of_page("OPTIONS /api/v1/friends/requests", origin);
        request.headers_mut().insert("access-control-request-method", HeaderValue::from_static("POST"));
        request
    };
    let told = call(&router, asks("https://app.example")).await;
    assert_eq!((told.status.as_u16(), told.body.as_str()), (204, ""));
    assert!(told.header("access-control-allow-methods").contains("POST"));
    for name in ["authorization", "content-type", "idempotency-key", "natter-position"] {
        assert!(told.header("access-control-allow-headers").contains(name), "{name}");
    }
    let foreign = call(&router, asks("https://evil.example")).await;
    assert_eq!((foreign.status.as_u16(), foreign.header("access-control-allow-methods")), (405, ""));
}

#[tokio::test]
async fn every_answer_tells_browsers_to_be_careful() {
    let (_, router) = doors();
    for line in [
        "GET /healthz",
        "GET /nothing",
        "GET /api/v1/accounts/me",
        "DELETE /healthz",
        "GET /docs/",
        "GET /openapi.json",
    ] {
        let answer = call(&router, request(line, None, "")).await;
        for (name, value) in
            [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("referrer-policy", "no-referrer")]
        {
            assert_eq!(answer.header(name), value, "{line}");
        }
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{line}");
        assert_eq!(answer.header("strict-transport-security"), "", "{line}: we serve no TLS here");
    }
}

#[tokio::test]
async fn cookies_alone_are_nobody() {
    let (edge, router) = doors();
    let token = token(&edge);
    let lines = gate::signed_in();
    assert!(lines.len() > 30, "{lines:?}");
    for line in lines {
        for name in ["access_token", "token", "session", "authorization", "bearer", "natter"] {
            let mut request = request(&line, None, "");
            request.headers_mut().insert("cookie", format!("{name}={token}").parse().unwrap());
            let answer = call(&router, request).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "unauthenticated"), "{line} {name}");
            assert_eq!(answer.header("set-cookie"), "");
        }
    }
}
