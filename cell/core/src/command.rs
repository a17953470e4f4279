//! What a cell can be asked to change, one file per command. This one only dispatches.

mod acknowledge;
mod activate;
mod change_setting;
mod compare_digest;
mod deliver;
mod found;
mod keyring;
mod mark_read;
mod receipts;
mod register_volume;
mod report_boot;
mod retire_node;
mod send;
mod sweep;
mod sweep_conversation;
mod sweep_user;

use crate::digest::Recent;
use crate::tables::Tables;
use crate::{Command, Effect, Error, Rejection, Reply};

/// Applies one command. A rejection changes nothing.
pub(crate) fn run(
    tables: &mut Tables,
    digests: &Recent,
    command: &Command,
    effects: &mut Vec<Effect>,
) -> Result<Reply, Error> {
    if tables.cell.identity.is_none() && !matches!(command, Command::Found(_)) {
        return Ok(Reply::Rejected(Rejection::NotFounded));
    }
    match command {
        Command::Found(found) => Ok(found::found(tables, effects, found)),
        Command::Send(send) => send::send(tables, effects, send),
        Command::MarkRead(mark) => mark_read::mark_read(tables, effects, mark),
        Command::Acknowledge(acks) => acknowledge::acknowledge(tables, effects, acks),
        Command::Sweep(sweep) => sweep::sweep(tables, effects, sweep),
        Command::ChangeSetting(setting) => Ok(change_setting::change_setting(tables, effects, *setting)),
        Command::Activate(activate) => activate::activate(tables, effects, activate),
        Command::CompareDigest(compare) => compare_digest::compare_digest(digests, compare),
        Command::RegisterVolume(register) => Ok(register_volume::register_volume(tables, effects, register)),
        Command::ReportBoot(report) => Ok(report_boot::report_boot(tables, effects, report)),
        Command::RetireNode(retire) => Ok(retire_node::retire_node(tables, effects, retire)),
        Command::AddSigningKey(key) => keyring::add(tables, effects, key),
        Command::RetireSigningKey(retire) => keyring::retire(tables, effects, retire),
    }
}
