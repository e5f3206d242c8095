//! Journals: patched as other structures are, and written anew from the input's free bytes.

use block::{BlockRead, to_u64};
use filesystem::Content;

use crate::{exercise, parts};

use super::choices;

/// An ext filesystem whose journal is patched. Bytes behind the patches are records of a fast commit, between the
/// head and the tail that make it count.
pub fn journal(data: &[u8]) {
    let Some((input, mut device)) = crate::image(data) else { return };
    if !input.rest.is_empty() {
        parts::fast_commit(&mut device, input.rest);
    }
    crate::save(&device);
    exercise::volume(&device, Content::Ext, choices(&input));
}

/// An XFS whose log is patched. Bytes behind the patches are operations of a log record: flags, length, data.
pub fn xfs_log(data: &[u8]) {
    let Some((input, mut device)) = crate::image(data) else { return };
    if !input.rest.is_empty() {
        let size = device.size();
        parts::log_record(&mut device, size, &operations(input.rest));
    }
    crate::save(&device);
    exercise::volume(&device, Content::Xfs, choices(&input));
}

/// One transaction, each of its operations in the words of the input: flags (0: none) and length, then data.
fn operations(mut rest: &[u8]) -> Vec<(u8, Vec<u8>)> {
    const START: u8 = 1;
    const COMMIT: u8 = 2;
    // The transaction's header: its magic, and fields that nobody reads.
    let header = [&0x5452_414eu32.to_le_bytes()[..], &[0; 12]].concat();
    let mut operations = vec![(START, Vec::new()), (0, header)];
    while let [flags, len, behind @ ..] = rest {
        let len = usize::from(*len).min(behind.len());
        operations.push((*flags, behind[..len].to_vec()));
        rest = &behind[len..];
        if operations.len() > 400 {
            break;
        }
    }
    operations.push((COMMIT, Vec::new()));
    debug_assert!(to_u64(operations.len()) < 1000);
    operations
}
