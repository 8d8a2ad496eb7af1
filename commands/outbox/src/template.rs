//! What letters say, in English and Chinese. Every word is ours: what came from outside is the code alone, six digits,
//! so nothing has to be escaped.

/// In which language.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Locale {
    English,
    Chinese,
}

impl Locale {
    /// The first language of an `Accept-Language` header that we have; English where there is none.
    pub fn accepted(header: &str) -> Self {
        let ours = |tag: &str| match tag.trim().get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("zh") => Some(Self::Chinese),
            Some("en") => Some(Self::English),
            _ => None,
        };
        header.split(',').find_map(ours).unwrap_or(Self::English)
    }
}

/// What somebody is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Six digits that prove whose address this is.
    Code { purpose: Purpose, code: String },
    /// Somebody wanted to register with an address that has an account already.
    Known,
    /// The account has another e-mail address now.
    EmailChanged,
    /// The account has another phone number now.
    PhoneChanged,
    /// Somebody set a new password by a code, or by way of a provider.
    PasswordReset,
    /// Its owner, who knew the old password, set another one.
    PasswordChanged,
    /// Signing in asks for a code of an app from now on.
    SecondFactorOn,
    /// It asks for none any more.
    SecondFactorOff,
    /// The account can be signed in to by way of one more provider.
    IdentityLinked,
    /// One such way is gone.
    IdentityUnlinked,
}

/// What a code is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    Register,
    Login,
    ResetPassword,
    ChangeEmail,
    ChangePhone,
}

pub(crate) struct Words {
    language: &'static str,
    pub subject: &'static str,
    what: &'static str,
    code: Option<String>,
    advice: &'static str,
}

pub(crate) fn words(notice: &Notice, locale: Locale) -> Words {
    let (subject, what, advice) = match locale {
        Locale::English => english(notice),
        Locale::Chinese => chinese(notice),
    };
    let language = match locale {
        Locale::English => "en",
        Locale::Chinese => "zh",
    };
    let code = match notice {
        Notice::Code { code, .. } => Some(code.clone()),
        _ => None,
    };
    Words { language, subject, what, code, advice }
}

type Texts = (&'static str, &'static str, &'static str);

fn english(notice: &Notice) -> Texts {
    let secret =
        "It works for 5 minutes and once. Nobody of us will ever ask you for it. If you did not want it, do nothing.";
    let theft = "If it was not you, somebody else uses your account: tell those who run this server.";
    match notice {
        Notice::Code { purpose, .. } => match purpose {
            Purpose::Register => ("Your code for Natter", "Your code to register with Natter:", secret),
            Purpose::Login => ("Your code to sign in", "Your code to sign in to Natter:", secret),
            Purpose::ResetPassword => {
                ("Your code for a new password", "Your code to set a new password for Natter:", secret)
            }
            Purpose::ChangeEmail => {
                ("Your code for another address", "Your code to change the e-mail address at Natter:", secret)
            }
            Purpose::ChangePhone => {
                ("Your code for another number", "Your code to change the phone number at Natter:", secret)
            }
        },
        Notice::Known => (
            "You have an account",
            "Somebody wanted to register with this address at Natter. There is an account with it already.",
            "If it was you, sign in, or set a new password. If it was not, do nothing.",
        ),
        Notice::PasswordReset => (
            "Your password was set anew",
            "Somebody set a new password for your account at Natter. All its sessions were ended.",
            theft,
        ),
        Notice::PasswordChanged => (
            "Your password was changed",
            "The password of your account at Natter is changed. All its other sessions were ended.",
            theft,
        ),
        Notice::SecondFactorOn => (
            "A second factor to sign in",
            "Signing in to your account at Natter asks for a code of your app from now on.",
            theft,
        ),
        Notice::SecondFactorOff => (
            "No second factor any more",
            "Signing in to your account at Natter asks for no code of an app any more.",
            theft,
        ),
        Notice::EmailChanged => {
            ("Your address was changed", "The e-mail address of your account at Natter is changed.", theft)
        }
        Notice::PhoneChanged => {
            ("Your number was changed", "The phone number of your account at Natter is changed.", theft)
        }
        Notice::IdentityLinked => (
            "Another way to sign in",
            "Your account at Natter can be signed in to with an account at another provider from now on.",
            theft,
        ),
        Notice::IdentityUnlinked => (
            "One way less to sign in",
            "An account at another provider was unlinked from your account at Natter: it signs you in no more.",
            theft,
        ),
    }
}

fn chinese(notice: &Notice) -> Texts {
    let secret = "验证码 5 分钟内有效，仅可使用一次。我们不会向您索要验证码。如非本人操作，请忽略。";
    let theft = "如非本人操作，说明他人正在使用您的账号，请联系服务管理员。";
    match notice {
        Notice::Code { purpose, .. } => match purpose {
            Purpose::Register => ("您的 Natter 验证码", "您的 Natter 注册验证码：", secret),
            Purpose::Login => ("您的登录验证码", "您的 Natter 登录验证码：", secret),
            Purpose::ResetPassword => ("您的密码重置验证码", "您的 Natter 密码重置验证码：", secret),
            Purpose::ChangeEmail => ("您的邮箱变更验证码", "您的 Natter 邮箱变更验证码：", secret),
            Purpose::ChangePhone => ("您的手机号变更验证码", "您的 Natter 手机号变更验证码：", secret),
        },
        Notice::Known => (
            "您已有账号",
            "有人试图使用此地址注册 Natter，但该地址已有账号。",
            "如为本人操作，请直接登录或重置密码；否则请忽略。",
        ),
        Notice::PasswordReset => ("您的密码已重置", "有人重置了您的 Natter 账号密码，所有登录会话均已结束。", theft),
        Notice::PasswordChanged => ("您的密码已修改", "您的 Natter 账号密码已修改，其他登录会话均已结束。", theft),
        Notice::SecondFactorOn => ("两步验证已开启", "今后登录您的 Natter 账号需要输入验证器应用中的验证码。", theft),
        Notice::SecondFactorOff => ("两步验证已关闭", "今后登录您的 Natter 账号不再需要验证器应用中的验证码。", theft),
        Notice::EmailChanged => ("您的邮箱已变更", "您的 Natter 账号的邮箱发生了变更。", theft),
        Notice::PhoneChanged => ("您的手机号已变更", "您的 Natter 账号的手机号发生了变更。", theft),
        Notice::IdentityLinked => ("新增登录方式", "您的 Natter 账号已关联第三方账号，今后可用其登录。", theft),
        Notice::IdentityUnlinked => {
            ("登录方式已解除", "您的 Natter 账号已与一个第三方账号解除关联，不能再用其登录。", theft)
        }
    }
}

impl Words {
    pub fn text(&self) -> String {
        let code = self.code.as_ref().map(|code| format!("\n\n    {code}")).unwrap_or_default();
        format!("{}{code}\n\n{}\n", self.what, self.advice)
    }

    /// In one line, for a text message.
    pub fn line(&self) -> String {
        let code = self.code.as_ref().map(|code| format!(" {code}")).unwrap_or_default();
        format!("{}{code} {}", self.what, self.advice)
    }

    pub fn html(&self) -> String {
        let code = self.code.as_ref();
        let code = code.map(|code| format!("<p style=\"font-size:2em;letter-spacing:.2em\"><b>{code}</b></p>"));
        format!(
            "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\"><title>{}</title></head><body><p>{}</p>{}<p>{}</p></body></html>\n",
            self.language,
            self.subject,
            self.what,
            code.unwrap_or_default(),
            self.advice
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_language_that_we_have_is_taken() {
        for (header, locale) in [
            ("", Locale::English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Locale::Chinese),
            ("fr, ZH-TW", Locale::Chinese),
            ("en-GB, zh", Locale::English),
            ("é, *", Locale::English),
        ] {
            assert_eq!(Locale::accepted(header), locale, "{header}");
        }
    }

    #[test]
    fn a_code_stands_in_every_form_of_its_letter() {
        for locale in [Locale::English, Locale::Chinese] {
            for purpose in
                [Purpose::Register, Purpose::Login, Purpose::ResetPassword, Purpose::ChangeEmail, Purpose::ChangePhone]
            {
                let words = words(&Notice::Code { purpose, code: "012345".into() }, locale);
                for form in [words.text(), words.line(), words.html()] {
                    assert!(form.contains("012345"), "{form}");
                }
                assert!(!words.subject.contains("012345"), "a locked screen shows subjects");
            }
        }
    }
}
