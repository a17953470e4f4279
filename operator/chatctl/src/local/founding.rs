//! The record of a cell's founders as a file that is written once, and the mark that the founding is committed.

use std::collections::BTreeMap;

use cell_types::{
    CellName, ClusterId, Epoch, Incarnation, KeyRange, PlacementKey, ReplicaCount, ReplicaName, VolumeId,
};
use operator_plan::FoundingRecord;
use serde::{Deserialize, Serialize};

use super::data_dir::DataDir;
use super::file;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    File(#[from] file::Error),
    #[error("the founding record of {cell} is damaged: {why}")]
    Damaged { cell: CellName, why: String },
}

/// None if the cell's founders were never recorded.
pub(crate) fn read(dir: &DataDir, cell: &CellName) -> Result<Option<FoundingRecord>, Error> {
    let form: Option<Form> = file::read_json(&dir.founding(cell))?;
    let damaged = |why: String| Error::Damaged { cell: cell.clone(), why };
    let record = form.map(FoundingRecord::try_from).transpose().map_err(damaged)?;
    match record {
        Some(record) if record.cell != *cell => Err(damaged(format!("it is of cell {}", record.cell))),
        record => Ok(record),
    }
}

/// False if another record is there already, which stays.
pub(crate) fn record(dir: &DataDir, record: &FoundingRecord) -> Result<bool, Error> {
    Ok(file::write_json_once(&dir.founding(&record.cell), &Form::from(record))?)
}

pub(crate) fn is_confirmed(dir: &DataDir, cell: &CellName) -> bool {
    dir.founded(cell).exists()
}

pub(crate) fn confirm(dir: &DataDir, cell: &CellName) -> Result<(), Error> {
    file::write_once(&dir.founded(cell), b"")?;
    Ok(())
}

/// The record as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Form {
    cluster: ClusterId,
    cell: CellName,
    incarnation: Incarnation,
    founders: BTreeMap<ReplicaName, VolumeId>,
    voters: ReplicaCount,
    ranges: Vec<RangeForm>,
}

/// Ends in hexadecimal, the last one `10000000000000000`: numbers in JSON do not reach that far.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RangeForm {
    start: String,
    end: String,
    epoch: u64,
}

impl From<&FoundingRecord> for Form {
    fn from(record: &FoundingRecord) -> Self {
        let range = |(range, epoch): &(KeyRange, Epoch)| RangeForm {
            start: range.start().to_string(),
            end: format!("{:016x}", range.end()),
            epoch: epoch.get(),
        };
        Self {
            cluster: record.cluster.clone(),
            cell: record.cell.clone(),
            incarnation: record.incarnation,
            founders: record.founders.clone(),
            voters: record.voters,
            ranges: record.ranges.iter().map(range).collect(),
        }
    }
}

impl TryFrom<Form> for FoundingRecord {
    type Error = String;

    fn try_from(form: Form) -> Result<Self, String> {
        let range = |range: RangeForm| {
            let start: PlacementKey = range.start.parse().map_err(|error: cell_types::Error| error.to_string())?;
            let end = u128::from_str_radix(&range.end, 16).map_err(|error| error.to_string())?;
            let keys = KeyRange::new(start, end).map_err(|error| error.to_string())?;
            Ok((keys, Epoch::new(range.epoch)))
        };
        Ok(Self {
            cluster: form.cluster,
            cell: form.cell,
            incarnation: form.incarnation,
            founders: form.founders,
            voters: form.voters,
            ranges: form.ranges.into_iter().map(range).collect::<Result<_, String>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(volume: u128) -> FoundingRecord {
        FoundingRecord {
            cluster: "local".parse().unwrap(),
            cell: "c0".parse().unwrap(),
            incarnation: Incarnation::new(1),
            founders: BTreeMap::from([("c0-0".parse().unwrap(), VolumeId::new(volume))]),
            voters: ReplicaCount::One,
            ranges: vec![(KeyRange::ALL, Epoch::new(1))],
        }
    }

    #[test]
    fn the_first_record_stays() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path()).unwrap();
        let cell: CellName = "c0".parse().unwrap();
        assert_eq!(read(&dir, &cell).unwrap(), None);
        assert!(record(&dir, &example(1)).unwrap());
        assert!(!record(&dir, &example(2)).unwrap());
        assert_eq!(read(&dir, &cell).unwrap(), Some(example(1)));
    }

    #[test]
    fn a_founding_is_confirmed_once_and_stays_so() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path()).unwrap();
        let cell: CellName = "c0".parse().unwrap();
        assert!(!is_confirmed(&dir, &cell));
        confirm(&dir, &cell).unwrap();
        confirm(&dir, &cell).unwrap();
        assert!(is_confirmed(&dir, &cell));
    }

    #[test]
    fn a_damaged_record_is_never_taken_for_none() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path()).unwrap();
        std::fs::write(dir.founding(&"c0".parse().unwrap()), "{").unwrap();
        assert!(read(&dir, &"c0".parse().unwrap()).is_err());
    }
}
