//! Pages of messages are bounded in bytes: a message may be large, and buffers stay small.

use natter_client::wire;
use std::collections::VecDeque;

/// A page ends before its JSON passes this, unless one message does.
const PAGE_MAX_BYTES: usize = 512 * 1024;

/// As many as fit into a page, at least one.
pub fn cut(mut items: Vec<wire::Message>) -> Vec<wire::Message> {
    let mut bytes = 0;
    let fits = items.iter().take_while(|item| {
        bytes += serde_json::to_vec(item).map_or(0, |json| json.len());
        bytes <= PAGE_MAX_BYTES
    });
    let count = fits.count().max(1);
    items.truncate(count);
    items
}

/// As many as fit next to the one in the middle: what lies farther from it goes first.
pub fn cut_around(mut items: Vec<wire::Message>, seq: u64) -> Vec<wire::Message> {
    let mut sizes: VecDeque<usize> =
        items.iter().map(|item| serde_json::to_vec(item).map_or(0, |json| json.len())).collect();
    let mut middle = items.partition_point(|item| item.seq < seq);
    let (mut bytes, mut first) = (sizes.iter().sum::<usize>(), 0);
    while bytes > PAGE_MAX_BYTES && sizes.len() > 1 {
        let behind = sizes.len().saturating_sub(middle + 1);
        let gone = if middle > behind { sizes.pop_front() } else { sizes.pop_back() };
        let from_front = usize::from(middle > behind);
        (first, middle) = (first + from_front, middle - from_front);
        bytes -= gone.unwrap_or(0);
    }
    items.drain(..first);
    items.truncate(sizes.len());
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seq: u64, bytes: usize) -> wire::Message {
        let body = Some(wire::Body::text("a".repeat(bytes)));
        wire::Message { seq, body, ..wire::Message::default() }
    }

    #[test]
    fn a_page_ends_before_it_is_too_large_but_is_never_empty() {
        let small: Vec<_> = (1..=200).map(|seq| message(seq, 100)).collect();
        assert_eq!(cut(small).len(), 200);
        let large: Vec<_> = (1..=200).map(|seq| message(seq, 16_384)).collect();
        let kept = cut(large);
        assert!((30..32).contains(&kept.len()), "{}", kept.len());
        assert_eq!(kept[0].seq, 1);
        assert_eq!(cut(vec![message(1, 2 * PAGE_MAX_BYTES), message(2, 1)]).len(), 1);
        assert!(cut(vec![]).is_empty());
    }

    #[test]
    fn a_page_around_a_message_keeps_what_is_next_to_it() {
        let kept = |count: u64, bytes, seq| {
            let items = cut_around((1..=count).map(|seq| message(seq, bytes)).collect(), seq);
            items.iter().map(|item| item.seq).collect::<Vec<_>>()
        };
        assert_eq!(kept(200, 100, 101).len(), 200);
        for (seq, first, last) in [(101, 85..=87, 115..=117), (1, 1..=1, 30..=32), (200, 169..=171, 200..=200)] {
            let kept = kept(200, 16_384, seq);
            let (lowest, highest) = (kept[0], kept[kept.len() - 1]);
            assert!((30..32).contains(&kept.len()) && kept.contains(&seq), "{kept:?}");
            assert!(first.contains(&lowest) && last.contains(&highest), "{kept:?}");
        }
        assert_eq!(kept(3, 2 * PAGE_MAX_BYTES, 2), [2]);
        assert_eq!(kept(0, 1, 2), [0; 0]);
    }
}
