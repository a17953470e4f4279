//! The status as people read it.

use cell_types::ReplicaName;

use super::View;

/// Conditions that are as they should be are not worth a line.
fn worth_a_line(condition: &operator_plan::Condition) -> bool {
    condition.kind == operator_plan::ConditionKind::Ready || condition.holds
}

pub(super) fn of(view: &View) -> String {
    let ready = if view.health.is_ready() { "ready" } else { "not ready" };
    let mut lines = vec![format!("cluster {}: {ready}", view.cluster.cluster)];
    for condition in view.health.conditions.iter().filter(|condition| worth_a_line(condition)) {
        lines.push(format!("  {}: {}", condition.kind, condition.message));
    }
    let heads = ["REPLICA", "ROLE", "STATE", "PID", "CLIENT", "CONNECTIONS", "COMMITTED", "APPLIED"];
    let mut rows = vec![heads.map(str::to_owned)];
    rows.extend(
        view.cluster.replicas.iter().map(|(replica, addresses)| row(view, replica, addresses.client.to_string())),
    );
    lines.extend(align(&rows));
    for (replica, status) in &view.statuses {
        lines.extend(status.messages.iter().map(|message| format!("{replica}: {message}")));
    }
    lines.join("\n")
}

fn row(view: &View, replica: &ReplicaName, client: String) -> [String; 8] {
    let none = || "-".to_owned();
    let pid = view.pids.get(replica).map_or_else(none, ToString::to_string);
    let role = view.role(replica).to_string();
    match view.statuses.get(replica) {
        None => [replica.to_string(), role, none(), pid, client, none(), none(), none()],
        Some(status) => [
            replica.to_string(),
            role,
            status.lifecycle.to_string(),
            pid,
            client,
            status.connections.to_string(),
            status.committed_index.to_string(),
            status.applied_index.to_string(),
        ],
    }
}

fn align<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["A", "LONG", "C"], ["1234", "x", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(align(&rows), ["A     LONG  C", "1234  x"]);
    }
}
