//! What is to be seen of one person: which classes of devices are connected, and whether anybody sits at one of them.

use serde::{Deserialize, Serialize};

/// What a device is, as far as others are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    Desktop,
    Mobile,
    Web,
    Other,
}

impl Class {
    const ALL: [Self; 4] = [Self::Desktop, Self::Mobile, Self::Web, Self::Other];

    /// What an app calls its platform is free text.
    pub fn of(platform: Option<&str>) -> Self {
        match platform.unwrap_or_default().to_lowercase().as_str() {
            "desktop" | "linux" | "mac" | "macos" | "windows" => Self::Desktop,
            "mobile" | "android" | "ios" | "ipados" | "harmonyos" => Self::Mobile,
            "web" | "browser" => Self::Web,
            _ => Self::Other,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Mobile => "mobile",
            Self::Web => "web",
            Self::Other => "other",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// One bit for each class, and one that says that some device is not away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub struct Signs(u8);

const CLASSES: u8 = 0x0f;
const AWAKE: u8 = 0x10;

impl Signs {
    /// Of nobody who is online.
    pub const NONE: Self = Self(0);

    /// Of one device.
    pub const fn of(class: Class, is_away: bool) -> Self {
        Self(class.bit() | if is_away { 0 } else { AWAKE })
    }

    /// Of several devices together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub const fn is_online(self) -> bool {
        self.0 & CLASSES != 0
    }

    pub const fn state(self) -> &'static str {
        match (self.is_online(), self.0 & AWAKE != 0) {
            (false, _) => "offline",
            (true, false) => "away",
            (true, true) => "online",
        }
    }

    pub fn devices(self) -> Vec<String> {
        let connected = Class::ALL.into_iter().filter(|class| self.0 & class.bit() != 0);
        connected.map(|class| class.as_str().to_owned()).collect()
    }
}

/// What another version says beyond this is not understood; who has no device is not awake.
impl From<u8> for Signs {
    fn from(bits: u8) -> Self {
        if bits & CLASSES == 0 { Self::NONE } else { Self(bits & (CLASSES | AWAKE)) }
    }
}

impl From<Signs> for u8 {
    fn from(signs: Signs) -> Self {
        signs.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_together_are_online_if_one_is() {
        let (away, awake) = (Signs::of(Class::Web, true), Signs::of(Class::Mobile, false));
        assert_eq!((Signs::NONE.state(), away.state(), awake.state()), ("offline", "away", "online"));
        assert_eq!(away.with(Signs::of(Class::Mobile, true)).state(), "away", "all are");
        assert_eq!(away.with(awake).state(), "online");
        assert_eq!(away.with(awake).devices(), ["mobile", "web"]);
    }

    #[test]
    fn a_platform_has_a_class() {
        let class = |platform| Class::of(Some(platform));
        assert_eq!((class("iOS"), class("Windows"), class("web")), (Class::Mobile, Class::Desktop, Class::Web));
        assert_eq!((class("toaster"), Class::of(None)), (Class::Other, Class::Other));
    }

    #[test]
    fn what_is_written_is_read_and_what_is_not_known_is_left_out() {
        let signs = Signs::of(Class::Desktop, false);
        assert_eq!(serde_json::from_str::<Signs>(&serde_json::to_string(&signs).unwrap()).unwrap(), signs);
        assert_eq!(Signs::from(0xe0), Signs::NONE);
        assert_eq!(Signs::from(AWAKE), Signs::NONE, "awake without a device");
        assert_eq!(Signs::from(0xff), Signs(CLASSES | AWAKE));
    }
}
