//! What a close code tells the client to do.

/// The classes of close codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Reconnect and resume.
    Resume,
    /// Reconnect elsewhere, and not at once.
    Later,
    /// Another connection of this device took over: do not come back.
    Replaced,
    /// Get a fresh token, then resume.
    Refresh,
    /// Drop the cursor and start from a snapshot.
    Resync,
    /// Do not come back.
    Terminal,
}

impl Verdict {
    /// Without a close frame, or with a code of no known class: like 4000.
    pub(super) fn of(code: Option<u16>) -> Self {
        match code {
            Some(4105) => Self::Replaced,
            Some(4100..=4199) => Self::Later,
            Some(4200..=4299) => Self::Refresh,
            Some(4300..=4399) => Self::Resync,
            Some(4400..=4499) => Self::Terminal,
            _ => Self::Resume,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_a_code_is_its_verdict_and_unknown_ones_are_like_4000() {
        let cases = [
            (Some(4000), Verdict::Resume),
            (Some(4099), Verdict::Resume),
            (Some(4100), Verdict::Later),
            (Some(4105), Verdict::Replaced),
            (Some(4199), Verdict::Later),
            (Some(4201), Verdict::Refresh),
            (Some(4301), Verdict::Resync),
            (Some(4400), Verdict::Terminal),
            (Some(4499), Verdict::Terminal),
            (Some(4500), Verdict::Resume),
            (Some(1006), Verdict::Resume),
            (Some(1000), Verdict::Resume),
            (None, Verdict::Resume),
        ];
        for (code, verdict) in cases {
            assert_eq!(Verdict::of(code), verdict, "{code:?}");
        }
    }
}
