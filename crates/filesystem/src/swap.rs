//! A Linux swap area: its header stays, its body is residue as a whole.
//!
//! Label, UUID, size and the list of bad pages survive bit-identical, in either byte order and for every page
//! size from 4 to 64 KiB. A suspended system in the area is named and then forgotten: its signature gives way to
//! that of a plain swap area, so nothing tries to resume from what has been dropped.

use block::{
    BlockRead, BlockWrite, Extent, ExtentSet, Object, Result, Unsupported,
    field::{Be32, Bytes, Le32},
    is_zero, to_u64, to_usize,
};

use crate::{
    Change, Claim, Entry, Filesystem, FilesystemMut, InodeId, Metadata, Owner, Recovery, Residue, Summary,
    Tail, Target,
    tails::{gap, text_len},
    uuid,
};

/// 1 in the area's own byte order (`union swap_header`, include/linux/swap.h).
const VERSION_LE: Le32 = Le32(1024);
const VERSION_BE: Be32 = Be32(1024);
/// Number of the last page.
const LAST_PAGE_LE: Le32 = Le32(1028);
const LAST_PAGE_BE: Be32 = Be32(1028);
/// Entries in the list of bad pages.
const NR_BADPAGES_LE: Le32 = Le32(1032);
const NR_BADPAGES_BE: Be32 = Be32(1032);
const UUID: Bytes<16> = Bytes(1036);
/// NUL-terminated unless it fills the field.
const VOLUME_NAME: Bytes<16> = Bytes(1052);
/// The list of bad pages: numbers of 32 bits.
const BADPAGES: usize = 1536;
/// The header's fields before its padding.
const INFO: Extent = Extent { start: 1024, len: 44 };
/// Bytes of the signature at the end of the first page.
const SIGNATURE_LEN: usize = 10;

/// A page may have any of these sizes; the signature tells which.
const PAGE_SIZES: [usize; 5] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];
/// Most that [`swap_header_of`] has to see of a file.
const HEAD: u64 = 64 << 10;
/// A swap area in use.
const IN_USE: &[u8; SIGNATURE_LEN] = b"SWAPSPACE2";
/// Version 0, of Linux before 2.2.
const OLD: &[u8] = b"SWAP-SPACE";
/// A suspended system, by the name of its signature.
const SUSPENDED: [(&[u8], &str); 4] = [
    (b"S1SUSPEND", "S1SUSPEND"),
    (b"S2SUSPEND", "S2SUSPEND"),
    (b"ULSUSPEND", "ULSUSPEND"),
    (b"LINHIB0001", "LINHIB0001"),
];
/// TuxOnIce signs at the very start, and leaves the swap area's own signature as it is.
const TUX_ON_ICE: &[u8] = b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c";

const OBJECT: Object = Object::the("swap header");

/// Whether these first bytes of a volume are those of a swap area, suspended-to or not, of any version.
///
/// Not every new filesystem overwrites an old area's signature, but its superblock lies where the version was.
pub(crate) fn is_swap(head: &[u8]) -> bool {
    PAGE_SIZES.into_iter().any(|page| match signature(head, page) {
        Some(Signature::Old) => true,
        Some(_) => VERSION_LE.get(head) == 1 || VERSION_BE.get(head) == 1,
        None => false,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signature {
    InUse,
    Old,
    Suspended(&'static str),
}

/// The signature of a page of this size.
fn signature(head: &[u8], page: usize) -> Option<Signature> {
    let bytes = head.get(page - SIGNATURE_LEN..page)?;
    if bytes == IN_USE {
        let tux_on_ice = head.starts_with(TUX_ON_ICE);
        return Some(if tux_on_ice { Signature::Suspended("TuxOnIce") } else { Signature::InUse });
    }
    if bytes == OLD {
        return Some(Signature::Old);
    }
    SUSPENDED.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|&(_, name)| Signature::Suspended(name))
}

/// What a checked header says.
#[derive(Debug, Clone)]
struct Header {
    /// Bytes in a page, and in the header.
    page: usize,
    big_endian: bool,
    /// Pages of the area, the header included.
    pages: u64,
    bad_pages: usize,
    /// The name of the signature of a suspended system.
    suspended: Option<&'static str>,
}

impl Header {
    /// Checks the header in `head`, the first bytes of an area of `size` bytes, as swapon(2) does.
    fn read(head: &[u8], size: u64) -> Result<Self> {
        // A stale signature of a larger page can lie in the body; one of a smaller page cannot survive mkswap(8).
        let found = PAGE_SIZES.into_iter().find_map(|page| Some((page, signature(head, page)?)));
        let Some((page, signature)) = found else {
            return Err(OBJECT.corrupt("signature", "missing", "SWAPSPACE2"));
        };
        let suspended = match signature {
            Signature::InUse => None,
            Signature::Suspended(name) => Some(name),
            Signature::Old => return Err(Unsupported::new(OBJECT, "version 0 (SWAP-SPACE)").into()),
        };
        let big_endian = match (VERSION_LE.get(head), VERSION_BE.get(head)) {
            (1, _) => false,
            (_, 1) => true,
            (version, _) => return Err(OBJECT.corrupt("version", version, 1)),
        };
        let last_page = if big_endian { LAST_PAGE_BE.get(head) } else { LAST_PAGE_LE.get(head) };
        let pages = u64::from(last_page) + 1;
        let most = size / to_u64(page);
        if pages < 2 || pages > most {
            return Err(OBJECT.corrupt(
                "last page",
                last_page,
                format_args!("1 to {}", most.saturating_sub(1)),
            ));
        }
        let bad_pages = if big_endian { NR_BADPAGES_BE.get(head) } else { NR_BADPAGES_LE.get(head) };
        let room = (page - SIGNATURE_LEN - BADPAGES) / Le32::WIDTH;
        if u64::from(bad_pages) > to_u64(room) {
            return Err(OBJECT.corrupt("number of bad pages", bad_pages, format_args!("at most {room}")));
        }
        let header = Self { page, big_endian, pages, bad_pages: to_usize(bad_pages.into()), suspended };
        for slot in 0..header.bad_pages {
            let at = BADPAGES + slot * Le32::WIDTH;
            let number = if big_endian { Be32(at).get(head) } else { Le32(at).get(head) };
            if number == 0 || number > last_page {
                let object = Object::numbered("bad page", to_u64(slot));
                return Err(object.corrupt("number", number, format_args!("1 to {last_page}")));
            }
        }
        Ok(header)
    }

    /// The bytes of the header that mean something, in order.
    fn live(&self) -> [Extent; 3] {
        let bad = Extent { start: to_u64(BADPAGES), len: to_u64(self.bad_pages * Le32::WIDTH) };
        let signature = Extent { start: to_u64(self.page - SIGNATURE_LEN), len: to_u64(SIGNATURE_LEN) };
        [INFO, bad, signature]
    }

    /// Bytes of the area.
    fn size(&self) -> u64 {
        // At most 2^32 pages of 2^16 bytes.
        self.pages * to_u64(self.page)
    }

    /// The first page with nothing but what means something, and the signature of an area in use.
    fn clean(&self, head: &[u8]) -> Vec<u8> {
        let mut page = vec![0; self.page];
        for extent in self.live() {
            let range = to_usize(extent.start)..to_usize(extent.end());
            page[range.clone()].copy_from_slice(&head[range]);
        }
        VOLUME_NAME.set(&mut page, &clean_label(head));
        let end = self.page - SIGNATURE_LEN;
        page[end..].copy_from_slice(IN_USE);
        page
    }
}

/// The label, with zeros behind its NUL.
fn clean_label(head: &[u8]) -> [u8; 16] {
    let mut label = VOLUME_NAME.get(head);
    let end = label.iter().position(|&byte| byte == 0).unwrap_or(label.len());
    label[end..].fill(0);
    label
}

/// What remains of a swap *file*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapHeader {
    /// Its first page with nothing but the header's fields, ready for swapon(8). Behind it, all of the file is to
    /// become zero.
    pub page: Vec<u8>,
    /// The suspended system that the file held, to be told of.
    pub note: Option<String>,
}

/// What remains of a swap *file* with these first bytes (64 KiB, or all it has) and this size. `None` if it is no
/// sound swap area (of version 1).
#[must_use]
pub fn swap_header_of(head: &[u8], size: u64) -> Option<SwapHeader> {
    let header = Header::read(head, size).ok()?;
    Some(SwapHeader { page: header.clean(head), note: header.suspended.map(suspended_note) })
}

fn suspended_note(signature: &str) -> String {
    format!("holds a suspended system ({signature}), which is dropped: filesystems may be dirty")
}

/// A swap area on a device.
#[derive(Debug)]
pub struct Swap<D> {
    device: D,
    header: Header,
    label: String,
    uuid: String,
    /// The first kilobyte, which the kernel leaves to boot loaders, is not empty.
    boot_bits: bool,
}

impl<D: BlockRead> Swap<D> {
    /// Reads and checks the header.
    pub fn open(device: D) -> Result<Self> {
        let mut head = vec![0; to_usize(HEAD.min(device.size()))];
        device.read_object(OBJECT, 0, &mut head)?;
        let header = Header::read(&head, device.size())?;
        let label = clean_label(&head);
        let len = label.iter().position(|&byte| byte == 0).unwrap_or(label.len());
        Ok(Self {
            header,
            label: String::from_utf8_lossy(&label[..len]).into_owned(),
            uuid: uuid::text(&UUID.get(&head)),
            boot_bits: !is_zero(&head[..1024]),
            device,
        })
    }
}

fn no_files() -> block::Error {
    Unsupported::new(Object::the("swap area"), "a file").into()
}

impl<D: BlockRead> Filesystem for Swap<D> {
    fn summary(&self) -> Result<Summary> {
        let mut notes = Vec::new();
        if let Some(name) = self.header.suspended {
            notes.push(suspended_note(name));
        } else if self.boot_bits {
            notes.push("the 1024 bytes before the header are not empty and dropped".to_owned());
        }
        Ok(Summary {
            kind: "swap",
            label: self.label.clone(),
            uuid: self.uuid.clone(),
            size: self.header.size(),
            block_size: u32::try_from(self.header.page).expect("a page has at most 65536 bytes"),
            features: if self.header.big_endian { vec!["big-endian".to_owned()] } else { Vec::new() },
            dirty: self.header.suspended.is_some(),
            notes,
        })
    }

    fn claims(&self, visit: &mut dyn FnMut(Extent, Claim) -> Result<()>) -> Result<()> {
        let mut at = 0;
        for extent in self.header.live().into_iter().filter(|extent| !extent.is_empty()) {
            visit(Extent::between(at, extent.start), Claim::Dead(Residue::Swap, None))?;
            visit(extent, Claim::Live(Owner::Metadata))?;
            at = extent.end();
        }
        visit(Extent::between(at, self.header.size()), Claim::Dead(Residue::Swap, None))
    }

    fn allocated(&self) -> Result<ExtentSet> {
        Ok([Extent { start: 0, len: self.header.size() }].into_iter().collect())
    }

    /// Only the label has room for more than it says.
    fn tails(&self, visit: &mut dyn FnMut(Extent, Tail) -> Result<()>) -> Result<()> {
        let mut name = [0; 16];
        self.device.read_at(to_u64(VOLUME_NAME.0), &mut name)?;
        gap(&name, text_len(&name)..name.len(), to_u64(VOLUME_NAME.0), Tail::Swap, visit)
    }

    fn root(&self) -> Option<InodeId> {
        None
    }

    fn entries(&self, _: InodeId, _: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()> {
        Err(no_files())
    }

    fn metadata(&self, _: InodeId) -> Result<Metadata> {
        Err(no_files())
    }

    fn read(&self, _: InodeId, _: u64, _: &mut [u8]) -> Result<usize> {
        Err(no_files())
    }

    fn extents(&self, _: InodeId, _: &mut dyn FnMut(u64, Extent) -> Result<()>) -> Result<()> {
        Err(no_files())
    }

    fn link_target(&self, _: InodeId) -> Result<Vec<u8>> {
        Err(no_files())
    }

    fn supports(&self, _: &Target, _: &Change) -> Result<()> {
        Err(no_files())
    }
}

impl<D: BlockWrite> FilesystemMut for Swap<D> {
    /// Puts the signature of an area in use where that of a suspended system is.
    fn recover(&mut self) -> Result<Recovery> {
        match self.header.suspended.take() {
            None => {}
            // Its signature lies in the boot bits, which are dead, but must not be found in the view either.
            Some("TuxOnIce") => {
                self.device.write_at(0, &[0; 1024])?;
                self.boot_bits = false;
            }
            Some(_) => self.device.write_at(to_u64(self.header.page - SIGNATURE_LEN), IN_USE)?,
        }
        Ok(Recovery::default())
    }

    fn change(&mut self, _: &Target, _: &Change) -> Result<()> {
        Err(no_files())
    }

    /// Zeroes what lies behind the end of the label: nothing else in the header can hold residue.
    fn scrub(&mut self) -> Result<u64> {
        let mut info = vec![0; to_usize(INFO.end())];
        self.device.read_at(0, &mut info)?;
        let (old, new) = (VOLUME_NAME.get(&info), clean_label(&info));
        if old != new {
            self.device.write_at(to_u64(VOLUME_NAME.0), &new)?;
        }
        Ok(to_u64(old.iter().zip(new).filter(|&(&old, new)| old != new).count()))
    }
}
