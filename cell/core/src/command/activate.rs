//! Switching to a later behaviour, at the same entry on every replica.

use crate::cell::BEHAVIOUR;
use crate::record::Activate;
use crate::tables::Tables;
use crate::{Effect, Error, Reply};

/// Never goes back. A replica that does not know the behaviour cannot go on.
pub(super) fn activate(tables: &mut Tables, effects: &mut Vec<Effect>, activate: &Activate) -> Result<Reply, Error> {
    if activate.version > BEHAVIOUR {
        return Err(Error::NewerBehaviour { asked: activate.version, known: BEHAVIOUR });
    }
    if activate.version > tables.cell.settings.version {
        tables.cell.settings.version = activate.version;
        effects.push(Effect::CellChanged);
    }
    Ok(Reply::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_cell::*;

    #[test]
    fn a_behaviour_that_this_program_does_not_know_stops_it() {
        let mut cell = TestCell::new();
        assert_eq!(cell.apply(Activate { version: BEHAVIOUR }), Reply::Done);
        let newer = cell.try_apply(vec![Activate { version: BEHAVIOUR + 1 }.into()]);
        assert!(matches!(newer, Err(Error::NewerBehaviour { asked: 2, known: 1 })));
    }
}
