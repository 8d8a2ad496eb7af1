//! What leaves nothing behind: signs of life, and looking for things. And which function does which deed.

use super::{
    PATIENCE,
    deed::Deed,
    device::Device,
    person::{Done, Not, Person},
};
use natter_testkit::{
    client::{
        Socket,
        rest::{Filter, Page, Range},
        socket::{Handover, Incoming},
    },
    wire, within,
};
use std::sync::Arc;
use uuid::Uuid;

impl Person {
    pub async fn does_one(&self, deed: Deed) -> Done {
        match deed {
            Deed::Says => self.says().await,
            Deed::SaysByKind => self.says_by_kind().await,
            Deed::Answers => self.answers().await,
            Deed::Mentions => self.mentions().await,
            Deed::SaysMuchAtOnce => self.says_much_at_once().await,
            Deed::SaysWhatIsMasked => self.says_what_is_masked().await,
            Deed::SaysWhatIsRewritten => self.says_what_is_rewritten().await,
            Deed::SaysWhatIsTaboo => self.says_what_is_taboo().await,
            Deed::SaysWhatIsRefused => self.says_what_is_refused().await,
            Deed::SaysWhatIsHeld => self.says_what_is_held().await,
            Deed::SaysWhatEnds => self.says_what_ends().await,
            Deed::SaysWhatEndsOnceRead => self.says_what_ends_once_read().await,
            Deed::SaysWhereNobodyHears => self.says_where_nobody_hears().await,
            Deed::Forwards => self.forwards().await,
            Deed::ForwardsMerged => self.forwards_merged().await,
            Deed::Schedules => self.schedules().await,
            Deed::Reschedules => self.reschedules().await,
            Deed::CancelsScheduled => self.cancels_scheduled().await,
            Deed::PutsAwayFailed => self.puts_away_failed().await,
            Deed::Edits => self.edits().await,
            Deed::EditsAnothers => self.edits_anothers().await,
            Deed::Recalls => self.recalls().await,
            Deed::RecallsAsAdmin => self.recalls_as_admin().await,
            Deed::Reacts => self.reacts().await,
            Deed::TakesReactionOff => self.takes_reaction_off().await,
            Deed::Pins => self.pins().await,
            Deed::Unpins => self.unpins().await,
            Deed::Translates => self.translates().await,
            _ => self.does_for_oneself(deed).await,
        }
    }

    async fn does_for_oneself(&self, deed: Deed) -> Done {
        match deed {
            Deed::RepliesInThread => self.replies_in_thread().await,
            Deed::FollowsThread => self.follows_thread().await,
            Deed::UnfollowsThread => self.unfollows_thread().await,
            Deed::ReadsThread => self.reads_thread().await,
            Deed::Stars => self.stars().await,
            Deed::Unstars => self.unstars().await,
            Deed::Listens => self.listens().await,
            Deed::DeletesForOneself => self.deletes_for_oneself().await,
            Deed::Reads => self.reads().await,
            Deed::SaysDelivered => self.says_delivered().await,
            Deed::MarksUnread => self.marks_unread().await,
            Deed::Archives => self.archives().await,
            Deed::Quiets => self.quiets().await,
            Deed::PinsConversation => self.pins_conversation().await,
            Deed::Files => self.files().await,
            Deed::Drafts => self.drafts().await,
            Deed::Hides => self.hides().await,
            Deed::Clears => self.clears().await,
            Deed::Explains => self.explains().await,
            _ => self.does_among_others(deed).await,
        }
    }

    async fn does_among_others(&self, deed: Deed) -> Done {
        match deed {
            Deed::Types => self.types().await,
            Deed::Watches => self.watches().await,
            Deed::StepsAway => self.steps_away().await,
            Deed::AsksForCode => self.asks_for_code().await,
            Deed::Filters => self.filters().await,
            Deed::LooksAround => self.looks_around().await,
            Deed::AsksWhoReads => self.asks_who_reads().await,
            Deed::LooksAtPage => self.looks_at_page().await,
            Deed::ComesAndGoes => self.comes_and_goes().await,
            Deed::IsSentAway => self.is_sent_away().await,
            Deed::ChangesGroup => self.changes_group().await,
            Deed::Announces => self.announces().await,
            Deed::MutesSomebody => self.mutes_somebody().await,
            Deed::NamesSomebody => self.names_somebody().await,
            Deed::Blocks => self.blocks().await,
            Deed::Unblocks => self.unblocks().await,
            Deed::NotesOfFriend => self.notes_of_friend().await,
            Deed::ChangesSettings => self.changes_settings().await,
            Deed::ChangesProfile => self.changes_profile().await,
            Deed::Broadcasts => self.broadcasts().await,
            Deed::Subscribes => self.subscribes().await,
            other => unreachable!("{other:?} is done above"),
        }
    }

    pub async fn types(&self) -> Done {
        let talk = self.some_talk()?;
        let typed = self.on_the_line(async |socket| socket.requests().typing(talk).await).await;
        typed.map_err(|_| Not::Possible)
    }

    async fn watches(&self) -> Done {
        let others = &self.world.accounts;
        let watched = self.on_the_line(async |socket| socket.requests().watch(others).await?.answer().await).await;
        let watched = watched.map_err(|_| Not::Possible)?;
        let ids: Vec<Uuid> = watched.items.iter().map(|presence| presence.account_id).collect();
        assert_eq!(ids, *others);
        Ok(())
    }

    /// From the device at the end of the line; the others are where they were.
    async fn steps_away(&self) -> Done {
        for is_away in [true, false] {
            let set = self.on_the_line(async |socket| socket.requests().set_away(is_away).await?.answer().await).await;
            set.map_err(|_| Not::Possible)?;
        }
        Ok(())
    }

    /// As anybody may who wants to register: by mail.
    async fn asks_for_code(&self) -> Done {
        let address = format!("{}-{}@example.org", self.name, self.world.number());
        let asked =
            wire::CodeNew { channel: "email".to_owned(), target: address.clone(), purpose: "register".to_owned() };
        self.does("asks for a code", async |me| me.client().ask_code(&asked).await).await?;
        self.world.ledger().addresses.push(address);
        Ok(())
    }

    async fn filters(&self) -> Done {
        let (talk, me_myself) = (self.some_talk()?, self.id);
        let filter = Filter { sender: Some(me_myself), kind: Some("text".to_owned()), ..Filter::default() };
        let found = self.does("looks for", async |me| me.filter(talk, &filter, &Page::default()).await).await?;
        assert!(found.items.iter().all(|message| message.sender == Some(me_myself)), "{found:?}");
        Ok(())
    }

    async fn looks_around(&self) -> Done {
        let one = self.some_message(|_| true)?;
        let (talk, around_seq) = (one.conversation_id, Some(one.seq));
        let range = Range { around_seq, limit: Some(9), ..Range::default() };
        let found = self.does("looks around", async |me| me.messages(talk, range).await).await?;
        assert!(found.windows(2).all(|two| two[0].seq < two[1].seq), "{found:?}");
        Ok(())
    }

    async fn asks_who_reads(&self) -> Done {
        let group = self.one_of(&self.talks(|own| own.conversation.kind == "group"))?.conversation.id;
        let one = self.some_message(|message| message.conversation_id == group && Self::said(message))?;
        let readers =
            self.does("asks who has read", async |me| me.readers(group, one.message_id, &Page::default()).await);
        let readers = readers.await?;
        assert!(readers.items.iter().all(|reader| reader.read_seq >= one.seq), "{readers:?}");
        Ok(())
    }

    /// At one that nobody has looked at: who cannot be asked has none.
    async fn looks_at_page(&self) -> Done {
        let number = self.world.number();
        let url = format!("{}/{number}", self.world.page);
        let page = self.does("looks at a page", async |me| me.link_preview(&url).await).await?;
        assert_eq!(page.title, Some(format!("Page {number}")));
        Ok(())
    }
}

/// In the morning, while nobody has anything against anybody: the second hears of the first.
pub async fn who_goes_is_seen_to_go(people: &[Arc<Person>]) {
    let [goes, watches, ..] = people else { panic!("there are five") };
    let mut socket = Socket::connect(&watches.devices[0].signed, Handover::Header).await.expect("connect");
    let watched = socket.requests().watch(&[goes.id]).await.expect("ask").answer().await.expect("an answer");
    let mut state = watched.items[0].state.clone();
    sees(&mut socket, &mut state, "online").await;
    for device in &goes.devices {
        device.goes_offline().await;
    }
    sees(&mut socket, &mut state, "offline").await;
    goes.devices.iter().for_each(Device::comes_online);
    sees(&mut socket, &mut state, "online").await;
}

async fn sees(socket: &mut Socket, state: &mut String, expected: &str) {
    let heard = async {
        while state != expected {
            let Incoming::Push(push) = socket.next().await.expect("it stays open") else { continue };
            if let wire::Push::Presence(presence) = *push {
                *state = presence.state;
            }
        }
    };
    within(&format!("somebody is seen {expected}"), PATIENCE, heard).await;
}
