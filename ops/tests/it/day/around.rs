//! What leaves nothing behind: signs of life, and looking for things. And which function does which deed.

use super::{
    deed::Deed,
    person::{Done, Not, Person},
};
use natter_testkit::client::rest::{Filter, Page, Range};
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
            Deed::SaysWhereNobodyHears => self.says_where_nobody_hears().await,
            Deed::Forwards => self.forwards().await,
            Deed::ForwardsMerged => self.forwards_merged().await,
            Deed::Schedules => self.schedules().await,
            Deed::Reschedules => self.reschedules().await,
            Deed::CancelsScheduled => self.cancels_scheduled().await,
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

    async fn looks_at_page(&self) -> Done {
        let page = self.does("looks at a page", async |me| me.link_preview(&self.world.page).await).await?;
        assert_eq!(page.title.as_deref(), Some("A page"));
        Ok(())
    }
}
