//! Where a person gets mail.

/// One plain address: a local part of ASCII as it stands in mails, and a domain by IDNA. Shown and written to as given,
/// compared by [`Email::normalised`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Email {
    local: String,
    /// ASCII, lower case.
    domain: String,
}

/// RFC 5321.
const LOCAL_MAX: usize = 64;
const ADDRESS_MAX: usize = 254;

impl Email {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let wrong = "must be an e-mail address";
        let (local, domain) = text.trim().split_once('@').ok_or(wrong)?;
        if local.len() > LOCAL_MAX || domain.len() > ADDRESS_MAX || !is_local(local) {
            return Err(wrong);
        }
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| wrong)?;
        if !is_domain(&domain) || local.len() + 1 + domain.len() > ADDRESS_MAX {
            return Err(wrong);
        }
        Ok(Self { local: local.to_owned(), domain })
    }

    /// The address to write to.
    pub fn address(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// The form in which addresses are compared. Handles are hashes of it, so it may never change for an address that was
    /// once given. Servers may tell `Alice@` from `alice@`; people do not.
    pub fn normalised(&self) -> String {
        self.address().to_ascii_lowercase()
    }
}

/// Atoms with single dots between them. No quoted strings: they exist to confuse.
fn is_local(local: &str) -> bool {
    let is_atom = |atom: &str| !atom.is_empty() && atom.bytes().all(is_atom_byte);
    local.split('.').all(is_atom)
}

fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte)
}

/// Two names or more, the last one no number: an address of a host is none.
fn is_domain(domain: &str) -> bool {
    let last = domain.rsplit('.').next().unwrap_or_default();
    domain.contains('.') && last.len() >= 2 && !last.bytes().all(|byte| byte.is_ascii_digit())
}
