//! The local cluster: its folder, its ports, its processes, and the executor that performs the planner's actions on them.

pub(crate) mod addresses;
pub(crate) mod ask;
pub(crate) mod clock;
pub(crate) mod cluster_file;
pub(crate) mod data_dir;
pub(crate) mod execute;
pub(crate) mod file;
pub(crate) mod founding;
pub(crate) mod leftovers;
pub(crate) mod lock;
pub(crate) mod logs;
pub(crate) mod observe;
pub(crate) mod prepare;
pub(crate) mod processes;
pub(crate) mod reconcile;
pub(crate) mod replica_command;
pub(crate) mod report;
pub(crate) mod run_file;
pub(crate) mod secrets;
pub(crate) mod user_token;
