//! Which token goes into `hello`: the resume token while the server takes it, else a JWT from the provider.

/// The tokens at hand.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    resume: Option<String>,
    jwt: Option<String>,
    /// The JWT has not been shown to a server yet.
    fresh: bool,
}

impl Tokens {
    pub(super) fn is_empty(&self) -> bool {
        self.resume.is_none() && self.jwt.is_none()
    }

    /// A JWT came from the provider.
    pub(super) fn set_jwt(&mut self, jwt: String) {
        self.jwt = Some(jwt);
        self.fresh = true;
    }

    /// The token for a `hello`, and whether it comes straight from the provider: if the server refuses that one for
    /// good, asking the provider again would not help.
    pub(super) fn show(&mut self) -> Option<(String, Freshness)> {
        if let Some(token) = &self.resume {
            return Some((token.clone(), Freshness::Kept));
        }
        let token = self.jwt.clone()?;
        let freshness = if std::mem::take(&mut self.fresh) { Freshness::Fresh } else { Freshness::Kept };
        Some((token, freshness))
    }

    /// A welcome brought a resume token; the JWT has done its work.
    pub(super) fn set_resume(&mut self, token: String) {
        *self = Self { resume: Some(token), jwt: None, fresh: false };
    }

    /// The server takes none of them any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Whether a token was shown to a server before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    Fresh,
    Kept,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resume_token_is_preferred_and_a_jwt_is_fresh_once() {
        let mut tokens = Tokens::default();
        tokens.set_jwt("jwt".into());
        assert_eq!(tokens.show(), Some(("jwt".into(), Freshness::Fresh)));
        assert_eq!(tokens.show(), Some(("jwt".into(), Freshness::Kept)));
        tokens.set_resume("rt".into());
        assert_eq!(tokens.show(), Some(("rt".into(), Freshness::Kept)));
        tokens.clear();
        assert!(tokens.is_empty() && tokens.show().is_none());
    }
}
