//! Every length, size and span that the rules bound, in one place; the public page is `PROTOCOL.md`, "Limits".
//! Lengths count Unicode scalar values, sizes count UTF-8 bytes. Rates are not here: they are the edge's.

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub const USERNAME_MIN: usize = 3;
pub const USERNAME_MAX: usize = 50;
pub const PASSWORD_MIN: usize = 8;
pub const PASSWORD_MAX: usize = 256;
pub const NICKNAME_MIN: usize = 1;
pub const NICKNAME_MAX: usize = 64;
pub const SIGNATURE_MAX: usize = 200;
pub const GENDER_MAX: usize = 32;
pub const REGION_MAX: usize = 64;
pub const BIRTHDAY_YEAR_MIN: i32 = 1_880;
/// Custom fields of a profile.
pub const CUSTOM_FIELDS_MAX: usize = 16;
pub const CUSTOM_KEY_MAX: usize = 32;
pub const CUSTOM_VALUE_MAX: usize = 256;
/// Characters that a user name is looked for by, at least.
pub const NAME_PREFIX_MIN: usize = 3;
/// Characters of what accounts are looked for by, at most: those of the longest e-mail address.
pub const QUERY_MAX: usize = 254;
/// Characters of a normalised user name that are told apart while it is typed.
pub const NAME_PREFIX_MAX: usize = 50;
pub const LABEL_MIN: usize = 1;
pub const LABEL_MAX: usize = 64;
/// Folders of friends whose order somebody sets.
pub const FRIEND_FOLDERS_MAX: usize = 100;
pub const GROUP_NAME_MIN: usize = 1;
pub const GROUP_NAME_MAX: usize = 100;
pub const REQUEST_MESSAGE_MAX: usize = 200;
pub const TEXT_MIN_BYTES: usize = 1;
pub const TEXT_MAX_BYTES: usize = 16_384;
/// How deep quotes, lists and brackets of Markdown nest.
pub const MARKDOWN_DEPTH_MAX: usize = 32;
pub const CAPTION_MAX_BYTES: usize = 4_096;
/// Name of a file, a place, a person on a card.
pub const THING_NAME_MAX: usize = 255;
pub const MEDIA_TYPE_MAX: usize = 127;
/// Bytes that somebody says a file has.
pub const FILE_SIZE_MAX: u64 = 1 << 50;
/// Width and height of a picture.
pub const PIXELS_MAX: u32 = 65_535;
pub const MEDIA_DURATION_MAX_MS: u64 = 86_400_000;
/// Values of a voice message's loudness.
pub const WAVEFORM_MAX: usize = 256;
/// Address of a place, title of a page.
pub const LINE_MAX: usize = 512;
pub const LINK_DESCRIPTION_MAX: usize = 2_048;
pub const URL_MAX_BYTES: usize = 2_048;
pub const STICKER_ID_MAX: usize = 64;
pub const CUSTOM_TYPE_MIN: usize = 3;
pub const CUSTOM_TYPE_MAX: usize = 128;
pub const CUSTOM_DATA_MAX_BYTES: usize = 16_384;
pub const CUSTOM_DATA_DEPTH_MAX: usize = 32;
pub const ALGORITHM_MAX: usize = 64;
/// Characters of Base64.
pub const CIPHERTEXT_MAX: usize = 65_536;
/// Messages that are put into one, and how deep such ones lie in each other.
pub const MERGED_ITEMS_MAX: usize = 100;
pub const MERGED_DEPTH_MAX: usize = 3;
pub const MERGED_MAX_BYTES: usize = 65_536;
/// Messages that are forwarded one by one in one call.
pub const FORWARDED_MAX: usize = 30;
/// People and roles that one message mentions.
pub const MENTIONS_MAX: usize = 100;
/// Characters of what is shown of a message that is answered.
pub const EXCERPT_MAX: usize = 100;

pub const EMOJI_MAX_BYTES: usize = 32;
/// Kinds of reactions on one message.
pub const REACTION_KINDS_MAX: usize = 50;

/// Sessions of one person; the oldest goes where one more comes.
pub const SESSIONS_MAX: usize = 100;

/// Cursors in one inbox event, so that it stays well below the largest event a lane takes (512 KiB).
pub const CURSORS_PER_EVENT: usize = 1_000;
/// Conversations that a person has pinned.
pub const PINNED_MAX: usize = 100;
/// Folders that a person has put conversations into.
pub const FOLDERS_MAX: usize = 100;
/// Conversations in which a person has a draft.
pub const DRAFTS_MAX: usize = 1_000;
/// Messages of one conversation that one person deletes for themselves, one by one.
pub const DELETED_MAX: usize = 1_000;
/// People in a group at one time, where the settings say nothing else, and at the most.
pub const GROUP_MEMBERS_DEFAULT: usize = 500;
pub const GROUP_MEMBERS_MAX: usize = 100_000;
/// Groups that one person owns, where the settings say nothing else.
pub const OWN_GROUPS_DEFAULT: usize = 200;
pub const OWN_GROUPS_MAX: usize = 10_000;
/// Admins of a group beside its owner.
pub const ADMINS_MAX: usize = 100;
/// Stays of one person in one group, beside the one that lasts, by which it is decided what they may do.
pub const STAYS_KEPT: usize = 100;
/// Links of a group that are good at one time.
pub const LINKS_MAX: usize = 50;
/// People who may come by one link.
pub const LINK_USES_MAX: u32 = 100_000;
/// People that a group has invited and who have not come.
pub const INVITED_MAX: usize = 10_000;
/// People who ask to come at one time.
pub const ASKING_MAX: usize = 1_000;
/// People who are banned from one group.
pub const BANNED_MAX: usize = 10_000;
pub const DESCRIPTION_MAX: usize = 1_000;
pub const ANNOUNCEMENT_MAX: usize = 4_000;
/// Seconds between two messages of a member in slow mode.
pub const SLOW_MODE_MAX: u32 = 86_400;
/// Ids of members in one call.
pub const MEMBERS_PER_CALL_MAX: usize = 1_000;
/// Ids in one lookup.
pub const LOOKUP_IDS_MAX: usize = 100;
/// Accounts of whose presence one connection is told.
pub const WATCHED_MAX: usize = 200;
/// In groups of more members nobody is told that somebody types, unless the settings say otherwise.
pub const TYPING_MEMBERS_MAX: u64 = 200;
/// Items of a page when the caller names no number.
pub const PAGE_DEFAULT: u32 = 50;
/// Items of a page at most.
pub const PAGE_MAX: u32 = 200;
/// Body of a REST request.
pub const REQUEST_BODY_MAX_BYTES: usize = 1024 * 1024;
/// One WebSocket frame from a client.
pub const FRAME_MAX_BYTES: usize = 128 * 1024;

/// Characters of the name under which an operator asks for something.
pub const OPERATOR_MAX: usize = 100;

/// A registration that is not complete by then is abandoned, and its names are free again.
pub const REGISTRATION_EXPIRY: Duration = MINUTE.saturating_mul(10);
/// A registration claims its names within this, or not at all. What lies between this and [`REGISTRATION_EXPIRY`] is
/// how far the clocks of two nodes may be apart: a claim must not come after its release.
pub const CLAIM_WINDOW: Duration = MINUTE.saturating_mul(5);
/// How long a code works that was sent to somebody.
pub const CODE_LIFETIME: Duration = MINUTE.saturating_mul(5);
/// Wrong codes after which the right one is no good either.
pub const CODE_TRIES: u8 = 5;
/// The least time between two codes to one address or number.
pub const CODE_PAUSE: Duration = MINUTE;
/// Codes to one address or number in [`CODES_WITHIN`].
pub const CODES_MAX: usize = 10;
pub const CODES_WITHIN: Duration = DAY;
/// A change of an e-mail address or phone number that is not complete by then is abandoned, as a registration is.
pub const CONTACT_CHANGE_EXPIRY: Duration = REGISTRATION_EXPIRY;
/// How long who has shown a password may take to show a code of the second factor.
pub const CHALLENGE_LIFETIME: Duration = MINUTE.saturating_mul(5);
/// Codes that may be tried on one challenge.
pub const CHALLENGE_TRIES: u8 = 5;
/// Codes of an account's second factor that may be wrong in [`GUESSES_WITHIN`], whoever tries: three of a million are
/// right at any time.
pub const GUESSES_MAX: usize = 10;
pub const GUESSES_WITHIN: Duration = HOUR;
/// Recovery codes that are made at once.
pub const RECOVERY_CODES: usize = 10;
/// How long somebody may take to sign in at a provider.
pub const SIGN_IN_LIFETIME: Duration = MINUTE.saturating_mul(10);
/// Identities of one account.
pub const IDENTITIES_MAX: usize = 10;
/// How long a new device may wait for its QR code to be approved.
pub const QR_LIFETIME: Duration = MINUTE.saturating_mul(2);
/// How long after sending its sender may edit a message, where the settings say nothing else.
pub const EDIT_WINDOW: Duration = MINUTE.saturating_mul(15);
/// How long after sending its sender may recall a message, where the settings say nothing else.
pub const RECALL_WINDOW: Duration = MINUTE.saturating_mul(2);
/// How long after its sending a message ends that does so by itself: at least, and at the most.
pub const EXPIRY_MIN: Duration = Duration::from_secs(5);
pub const EXPIRY_MAX: Duration = DAY.saturating_mul(30);
/// How long after the other one has read it, at least.
pub const READ_EXPIRY_MIN: Duration = Duration::from_secs(1);
/// Messages of a conversation that end once they are read, and were not.
pub const UNREAD_EXPIRING_MAX: usize = 1_000;
/// A friend request that nobody answered is closed after this.
pub const REQUEST_EXPIRY: Duration = DAY.saturating_mul(7);
/// How long after a person's last request their next one to the same person is refused.
pub const REQUEST_REPEAT_WINDOW: Duration = HOUR.saturating_mul(24);
/// How long somebody who is invited to a group, or asks to come, may wait for an answer.
pub const INVITATION_EXPIRY: Duration = DAY.saturating_mul(7);
/// How long a dissolved group can be read, where the settings say nothing else.
pub const DISSOLVED_FOR: Duration = DAY.saturating_mul(30);
/// How long an owner who wants their account closed has to think of it again, where the settings say nothing else.
pub const CLOSING_GRACE: Duration = DAY.saturating_mul(14);
/// How long they have at least for it after a suspension that came in between.
pub const CLOSING_RESPITE: Duration = DAY.saturating_mul(7);
/// How long a refresh token works; each exchange starts it anew.
pub const REFRESH_TOKEN_LIFETIME: Duration = DAY.saturating_mul(30);
/// Messages of one person in one conversation that wait, or that could not be sent and were not put away.
pub const PENDING_MAX: usize = 100;
/// Bytes of what they say together: it is remembered while it waits.
pub const PENDING_MAX_BYTES: usize = 262_144;
/// Of one person in all conversations, counted by the read side.
pub const PENDING_OF_ONE_MAX: usize = 1_000;
/// Of one person's that are sent or cancelled, these are told to who was away.
pub const PENDING_OVER_TOLD: usize = 1_000;
/// Messages that are over, of which it is remembered how.
pub const PENDING_OVER_KEPT: usize = 100;
/// How far ahead a message may be scheduled.
pub const SCHEDULED_MIN: Duration = Duration::from_secs(1);
pub const SCHEDULED_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);
