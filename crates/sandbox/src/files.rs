//! Landlock: which files can be opened, where names appear, and no TCP.
//!
//! Rights are those of ABI 7 (Linux 6.15); an older kernel enforces those that it knows. See
//! <https://docs.kernel.org/userspace-api/landlock.html>.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use crate::{Reach, Strength};

const ABI_KNOWN: ABI = ABI::V7;

pub(crate) fn confine(reach: &Reach) -> Strength {
    match enforced(reach) {
        Ok(RulesetStatus::FullyEnforced) => Strength::Full,
        Ok(RulesetStatus::PartiallyEnforced) => Strength::Part,
        Ok(RulesetStatus::NotEnforced) | Err(_) => Strength::None,
    }
}

fn enforced(reach: &Reach) -> Result<RulesetStatus, RulesetError> {
    // A device is asked for the size of its sectors whenever it is opened.
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::IoctlDev;
    let change = read | AccessFs::WriteFile | AccessFs::Truncate;
    // A directory is opened, too, for its names to be synced. One name replaces another.
    let name_in = AccessFs::ReadDir | AccessFs::MakeReg | AccessFs::RemoveFile;
    let make_in = name_in | AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI_KNOWN))?
        .handle_access(AccessNet::from_all(ABI_KNOWN))?
        .scope(Scope::from_all(ABI_KNOWN))?
        .create()?
        .add_rules(path_beneath_rules(&reach.read, read))?
        .add_rules(path_beneath_rules(&reach.change, change))?
        .add_rules(path_beneath_rules(&reach.name_in, name_in))?
        .add_rules(path_beneath_rules(&reach.make_in, make_in))?
        .restrict_self()?;
    Ok(status.ruleset)
}
