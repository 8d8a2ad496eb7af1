//! Previews of links: what is shown of a page, and that nobody has this server ask what only it may. Its own address stands
//! for the open internet here (127.0.0.2); everything else of this machine is what is to be closed.

use super::Scene;
use natter_testkit::{
    BOUND, Outside, Reply, Stack,
    outside::{Asked, Does},
    within,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const OPEN: &str = "127.0.0.2";
const PATH: &str = "/api/v1/link-previews";

async fn scene() -> Scene {
    let more = vec![("NATTER_LINK_PREVIEWS", "on".to_owned()), ("NATTER_LINK_PREVIEWS_ALLOW", format!("{OPEN}/32"))];
    Scene::new(Stack::new().await, more).await
}

async fn look(scene: &Scene, url: &str) -> Reply {
    scene.alice.raw().await.post(PATH, json!({"url": url}).to_string()).await
}

/// Tells nothing of why.
async fn shows_nothing(scene: &Scene, url: &str) -> Value {
    let reply = look(scene, url).await;
    assert_eq!(reply.status, 404, "{url}: {}", reply.text());
    let mut problem = reply.refused(404, "not_found");
    problem["request_id"] = Value::Null;
    problem
}

const PAGE: &str = r#"<html><head><title>plain</title><meta property="og:title" content="A &amp; B">
    <meta name="description" content="what it is"><meta property="og:image" content="/a.png">
    <meta property="og:site_name" content="Site"></head><body>much more</body></html>"#;

#[tokio::test]
async fn a_page_is_shown_and_kept_for_a_while() {
    let page = Outside::at(OPEN, async |asked: Asked| match asked.path.as_str() {
        "/moved" => Does::redirect("/page"),
        "/nothing" => Does::page("<p>nothing</p>"),
        _ => Does::page(PAGE),
    })
    .await;
    let scene = scene().await;
    let shown = look(&scene, &page.url("/page#part")).await.ok(200);
    let expected = json!({
        "url": page.url("/page#part"), "title": "A & B", "description": "what it is", "image_url": page.url("/a.png"),
        "site_name": "Site",
    });
    assert_eq!(shown, expected);
    assert_eq!(look(&scene, &page.url("/moved")).await.ok(200)["title"], "A & B");
    let typed = scene.bob.client().link_preview(&page.url("/page")).await.expect("it is shown");
    assert_eq!(typed.title.as_deref(), Some("A & B"));
    shows_nothing(&scene, &page.url("/nothing")).await;
    shows_nothing(&scene, &page.url("/nothing")).await;
    let paths: Vec<String> = page.asked().iter().map(|asked| asked.path.clone()).collect();
    assert_eq!(paths, ["/page", "/moved", "/page", "/nothing"], "each once, and what a redirect leads to");
    let asked = &page.asked()[0];
    for header in ["cookie", "authorization", "referer", "x-forwarded-for", "natter-position"] {
        assert!(!asked.headers.contains_key(header), "{asked:?}");
    }
    assert_eq!(asked.headers["accept-encoding"], "identity");
}

#[tokio::test]
async fn there_are_none_unless_the_operator_wants_them() {
    let page = Outside::at(OPEN, async |_| Does::page(PAGE)).await;
    let scene = Scene::new(Stack::new().await, vec![]).await;
    look(&scene, &page.url("/")).await.refused(403, "forbidden");
    look(&scene, "no url").await.invalid("/url");
    assert!(page.asked().is_empty());
}

#[tokio::test]
async fn what_is_no_address_of_a_page_is_told_so() {
    let scene = scene().await;
    let long = format!("http://a.example/{}", "x".repeat(2_048));
    for bad in [
        "",
        "a.example",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_INFO",
        "ftp://a.example/",
        "http://user@127.0.0.2/",
        "http://user:password@127.0.0.2/",
        "http://127.0.0.2/\r\nHost: other",
        "http://127.0.0.2/\tx",
        "http://a.example:99999/",
        &long,
    ] {
        look(&scene, bad).await.invalid("/url");
    }
}

#[tokio::test]
async fn nothing_of_this_machine_is_asked_however_it_is_written() {
    let closed = Outside::start(async |_| Does::page(PAGE)).await;
    let scene = scene().await;
    let port = closed.address.port();
    let nats = scene.stack.nats_url().rsplit(':').next().unwrap_or_default().to_owned();
    let mut told = Vec::new();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0.0.0.0",
    ] {
        told.push(shows_nothing(&scene, &format!("http://{host}:{port}/")).await);
        told.push(shows_nothing(&scene, &format!("http://{host}/")).await);
    }
    for url in [
        format!("http://127.0.0.1:{nats}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/".to_owned(),
        "http://100.100.100.200/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://[64:ff9b::7f00:1]/".to_owned(),
        "http://[2002:7f00:1::]/".to_owned(),
        format!("http://127.0.0.3:{port}/"),
        Outside::nowhere().await,
    ] {
        told.push(shows_nothing(&scene, &url).await);
    }
    let open = Outside::at(OPEN, async |_| Does::status(404)).await;
    told.push(shows_nothing(&scene, &open.url("/")).await);
    assert!(closed.asked().is_empty(), "{:?}", closed.asked());
    told.dedup();
    assert_eq!(told.len(), 1, "whoever asks cannot tell what is closed from what is not there: {told:#?}");
}

#[tokio::test]
async fn a_redirect_leads_nowhere_else_than_a_url_could() {
    let closed = Outside::start(async |_| Does::page(PAGE)).await;
    let there = closed.url("/");
    let page = Outside::at(OPEN, move |asked: Asked| {
        let there = there.clone();
        async move {
            let hops = asked.path.trim_start_matches('/').parse::<usize>();
            match (asked.path.as_str(), hops) {
                ("/inside", _) => Does::redirect(&there),
                ("/inside2", _) => Does::redirect("/inside"),
                ("/file", _) => Does::redirect("file:///etc/passwd"),
                ("/metadata", _) => Does::redirect("http://169.254.169.254/latest/meta-data/"),
                ("/round", _) => Does::redirect("/round"),
                (_, Ok(0)) => Does::page(PAGE),
                (_, Ok(hops)) => Does::redirect(&format!("/{}", hops - 1)),
                _ => Does::status(404),
            }
        }
    })
    .await;
    let scene = scene().await;
    for path in ["/inside", "/inside2", "/file", "/metadata", "/round", "/4"] {
        shows_nothing(&scene, &page.url(path)).await;
    }
    look(&scene, &page.url("/3")).await.ok(200);
    assert!(closed.asked().is_empty());
}

#[tokio::test]
async fn what_the_operator_denies_is_not_asked_though_it_is_allowed() {
    let denied = Outside::at("127.0.0.3", async |_| Does::page(PAGE)).await;
    let there = denied.url("/");
    let open = Outside::at(OPEN, move |asked: Asked| {
        let there = there.clone();
        async move { if asked.path == "/there" { Does::redirect(&there) } else { Does::page(PAGE) } }
    })
    .await;
    let more = vec![
        ("NATTER_LINK_PREVIEWS", "on".to_owned()),
        ("NATTER_LINK_PREVIEWS_ALLOW", "127.0.0.0/8".to_owned()),
        ("NATTER_LINK_PREVIEWS_DENY", "2001:db8::/32, 127.0.0.3".to_owned()),
    ];
    let scene = Scene::new(Stack::new().await, more).await;
    look(&scene, &open.url("/")).await.ok(200);
    for url in [denied.url("/"), open.url("/there")] {
        shows_nothing(&scene, &url).await;
    }
    assert!(denied.asked().is_empty(), "{:?}", denied.asked());
}

#[tokio::test]
async fn whoever_is_slow_or_talks_without_end_is_left() {
    let page = Outside::at(OPEN, async |asked: Asked| match asked.path.as_str() {
        "/hangs" => Does::Hangs,
        "/endless" => Does::Babbles { kind: "text/html", first: "<title>endless</title>".to_owned() },
        "/title" => Does::page(&format!("<title>{}</title>", "t".repeat(10 * 1024 * 1024))),
        "/picture" => Does::Babbles { kind: "image/png", first: String::new() },
        "/bomb" => Does::Says {
            status: 200,
            headers: vec![("content-type", "text/html".to_owned()), ("content-encoding", "gzip".to_owned())],
            body: vec![0x1f; 1_000],
        },
        _ => Does::status(500),
    })
    .await;
    let scene = scene().await;
    let begun = Instant::now();
    let urls = [page.url("/hangs"), page.url("/endless")];
    let (hangs, endless) = tokio::join!(look(&scene, &urls[0]), look(&scene, &urls[1]));
    hangs.refused(404, "not_found");
    assert_eq!(endless.ok(200)["title"], "endless");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let title = look(&scene, &page.url("/title")).await.ok(200)["title"].as_str().map(str::len);
    assert_eq!(title, Some(300));
    for path in ["/picture", "/bomb", "/fails"] {
        shows_nothing(&scene, &page.url(path)).await;
    }
    // Many who ask for the same at once ask once, and the door is open to others meanwhile.
    let url = page.url("/hangs?again");
    let many = futures::future::join_all((0..20).map(|_| look(&scene, &url)));
    let all = within("all of them are answered", BOUND, many).await;
    assert!(all.iter().all(|reply| reply.status == 404));
    assert_eq!(page.asked().iter().filter(|asked| asked.path == "/hangs?again").count(), 1);
}
