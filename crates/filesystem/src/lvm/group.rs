//! A volume group by its text: which physical volumes it has, and how its logical volumes lie on them.
//!
//! Says what the text says, checked for sense of its own; whether the disk agrees is [`mod@super::resolve`]'s question.
//! Source: lvm2, `lib/format_text/import_vsn1.c` and the segment types' `text_import`.

use block::{Object, Result, Unsupported};

use super::{
    id::Id,
    label::SECTOR,
    text::{Node, Section, Value, parse},
};

/// A volume group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) id: Id,
    /// Grows with every change.
    pub(super) seqno: u64,
    /// Bytes of a physical extent.
    pub(super) extent_size: u64,
    pub(super) physical: Vec<Physical>,
    pub(super) logical: Vec<Logical>,
}

/// A physical volume, as its group knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Physical {
    /// Its name in the text: `pv0`.
    pub(super) name: String,
    pub(super) id: Id,
    /// Offset of its first physical extent in bytes.
    pub(super) start: u64,
    /// Physical extents.
    pub(super) count: u64,
}

/// A logical volume, also one that is only a part of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Logical {
    pub(super) name: String,
    pub(super) id: Id,
    pub(super) status: Vec<String>,
    pub(super) segments: Vec<Segment>,
}

/// A run of extents of a logical volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// Its first extent within the logical volume.
    pub(super) start: u64,
    pub(super) count: u64,
    /// The type, without flags that make it another.
    pub(super) kind: String,
    /// Whether the type has a flag behind a `+`: a meaning of its own.
    pub(super) flagged: bool,
    /// Where the stripes, or the legs of a mirror, start: a name, and its first extent.
    pub(super) places: Vec<(String, u64)>,
    /// Bytes of a stripe, if there are several.
    pub(super) stripe: u64,
    /// The parts of a raid: logical volumes, for each leg those for metadata (if it has one) and data.
    pub(super) raids: Vec<String>,
    /// The log of a mirror: a logical volume.
    pub(super) log: Option<String>,
    /// Of a snapshot: the volume that it shows, the one with the differences, and whether it is being merged.
    pub(super) snapshot: Option<(String, String, bool)>,
    /// Each string in it but the type: any other logical volume that it needs is among them.
    pub(super) strings: Vec<String>,
}

impl Logical {
    /// Extents in it.
    pub(super) fn count(&self) -> u64 {
        self.segments.last().map_or(0, |last| last.start + last.count)
    }

    /// Whether users see it.
    pub(super) fn is_visible(&self) -> bool {
        self.status.iter().any(|flag| flag == "VISIBLE")
    }
}

/// Reads the text of a volume group.
pub(super) fn read(text: &[u8]) -> Result<Group> {
    let root = parse(text)?;
    let file = Object::the("LVM2 metadata");
    match (root.get("contents"), root.get("version")) {
        (Some(Node::Value(Value::Text(contents))), Some(Node::Value(Value::Number(1))))
            if contents == "Text Format Volume Group" => {}
        (Some(Node::Value(Value::Text(_))), Some(Node::Value(Value::Number(version)))) => {
            return Err(Unsupported::new(file, format!("version {version} of its format")).into());
        }
        _ => return Err(file.corrupt("format", "not named", "Text Format Volume Group, version 1")),
    }
    let mut groups = root.sections();
    let (Some((name, section)), None) = (groups.next(), groups.next()) else {
        let found = root.sections().count();
        return Err(file.corrupt("number of volume groups", found, 1));
    };
    let of_group = Fields { object: Object::the("volume group"), section };
    let extent_size = of_group.number("extent_size")?;
    if !(1..=1 << 31).contains(&extent_size) {
        return Err(of_group.object.corrupt("extent_size", extent_size, "1 to 2147483648 sectors"));
    }
    let extent_size = extent_size * SECTOR;
    let mut physical = Vec::new();
    for (number, (name, section)) in (0..).zip(of_group.sections("physical_volumes")) {
        let fields = Fields { object: Object::numbered("physical volume", number), section };
        let (start, count) = (fields.number("pe_start")?, fields.number("pe_count")?);
        let end = count.checked_mul(extent_size).and_then(|len| len.checked_add(start.checked_mul(SECTOR)?));
        if end.is_none_or(|end| end > i64::MAX.unsigned_abs()) {
            return Err(fields.object.corrupt("pe_count", count, "extents below 2^63 bytes"));
        }
        physical.push(Physical { name: name.to_owned(), id: fields.id()?, start: start * SECTOR, count });
    }
    let mut logical = Vec::new();
    for (number, (name, section)) in (0..).zip(of_group.sections("logical_volumes")) {
        let fields = Fields { object: Object::numbered("logical volume", number), section };
        logical.push(Logical {
            name: name.to_owned(),
            id: fields.id()?,
            status: fields.strings("status"),
            segments: segments(&fields, extent_size)?,
        });
    }
    Ok(Group {
        name: name.to_owned(),
        id: of_group.id()?,
        seqno: of_group.number("seqno")?,
        extent_size,
        physical,
        logical,
    })
}

fn segments(of: &Fields<'_>, extent_size: u64) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    let mut next = 0u64;
    for (_, section) in of.section.sections().filter(|(name, _)| name.starts_with("segment")) {
        let fields = Fields { object: of.object, section };
        let (start, count) = (fields.number("start_extent")?, fields.number("extent_count")?);
        if start != next {
            return Err(of.object.corrupt("start_extent", start, next));
        }
        let end = start.checked_add(count).filter(|end| end.checked_mul(extent_size).is_some());
        match end {
            Some(end) if count > 0 => next = end,
            _ => return Err(of.object.corrupt("extent_count", count, "at least 1, and below 2^64 bytes")),
        }
        segments.push(segment(&fields, start, count)?);
    }
    let said = of.number("segment_count")?;
    if said != block::to_u64(segments.len()) {
        return Err(of.object.corrupt("segment_count", said, segments.len()));
    }
    Ok(segments)
}

fn segment(fields: &Fields<'_>, start: u64, count: u64) -> Result<Segment> {
    let full = fields.text("type")?;
    let (kind, flagged) = full.split_once('+').map_or((full, false), |(kind, _)| (kind, true));
    let mut places = fields.places("stripes")?;
    if places.is_empty() {
        places = fields.places("mirrors")?;
    }
    if kind == "striped" && fields.section.get("stripe_count").is_some() {
        let said = fields.number("stripe_count")?;
        if said != block::to_u64(places.len()) {
            return Err(fields.object.corrupt("stripe_count", said, places.len()));
        }
    }
    let stripe = match fields.section.get("stripe_size") {
        Some(_) => fields.number("stripe_size")?,
        None => 0,
    };
    let stripe = stripe
        .checked_mul(SECTOR)
        .ok_or_else(|| fields.object.corrupt("stripe_size", stripe, "below 2^64 bytes"))?;
    let log = match fields.section.get("mirror_log") {
        Some(_) => Some(fields.text("mirror_log")?.to_owned()),
        None => None,
    };
    let snapshot = match (kind, fields.section.get("merging_store")) {
        ("snapshot", Some(_)) => Some((fields.text("origin")?, fields.text("merging_store")?, true)),
        ("snapshot", None) => Some((fields.text("origin")?, fields.text("cow_store")?, false)),
        _ => None,
    };
    let snapshot = snapshot.map(|(origin, store, merging)| (origin.to_owned(), store.to_owned(), merging));
    let mut strings = Vec::new();
    for entry in fields.section.entries.iter().filter(|entry| entry.name != "type") {
        match &entry.node {
            Node::Value(Value::Text(text)) => strings.push(text.clone()),
            Node::Value(Value::List(values)) => {
                strings.extend(values.iter().filter_map(|value| match value {
                    Value::Text(text) => Some(text.clone()),
                    _ => None,
                }));
            }
            _ => {}
        }
    }
    if let Some(Node::Value(Value::Number(1..))) = fields.section.get("data_offset") {
        return Err(Unsupported::new(fields.object, "raid data that starts elsewhere").into());
    }
    let mut raids = fields.strings("raids");
    if raids.is_empty() {
        raids = fields.strings("raid0_lvs");
    }
    Ok(Segment {
        start,
        count,
        kind: kind.to_owned(),
        flagged,
        places,
        stripe,
        raids,
        log,
        snapshot,
        strings,
    })
}

/// A section, and what an error calls it.
struct Fields<'s> {
    object: Object,
    section: &'s Section,
}

impl<'s> Fields<'s> {
    fn number(&self, name: &'static str) -> Result<u64> {
        match self.section.get(name) {
            Some(Node::Value(Value::Number(number))) => {
                u64::try_from(*number).map_err(|_| self.object.corrupt(name, number, "0 or more"))
            }
            Some(_) => Err(self.object.corrupt(name, "of another type", "a number")),
            None => Err(self.object.corrupt(name, "missing", "a number")),
        }
    }

    fn text(&self, name: &'static str) -> Result<&'s str> {
        match self.section.get(name) {
            Some(Node::Value(Value::Text(text))) => Ok(text),
            Some(_) => Err(self.object.corrupt(name, "of another type", "a string")),
            None => Err(self.object.corrupt(name, "missing", "a string")),
        }
    }

    fn id(&self) -> Result<Id> {
        let expected = "32 letters and digits in groups of 6-4-4-4-4-4-6";
        Id::from_text(self.text("id")?).ok_or_else(|| self.object.corrupt("id", "another", expected))
    }

    /// The strings of a list; none if there is no such list.
    fn strings(&self, name: &str) -> Vec<String> {
        let Some(Node::Value(Value::List(values))) = self.section.get(name) else { return Vec::new() };
        let text = |value: &Value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        values.iter().filter_map(text).collect()
    }

    /// A list of names and numbers in turn.
    fn places(&self, name: &'static str) -> Result<Vec<(String, u64)>> {
        let Some(Node::Value(Value::List(values))) = self.section.get(name) else { return Ok(Vec::new()) };
        let (pairs, rest) = values.as_chunks::<2>();
        let wrong = || self.object.corrupt(name, "of other values", "names and extents in turn");
        if !rest.is_empty() {
            return Err(wrong());
        }
        let pair = |pair: &[Value; 2]| match pair {
            [Value::Text(name), Value::Number(extent)] => {
                u64::try_from(*extent).ok().map(|extent| (name.clone(), extent))
            }
            _ => None,
        };
        pairs.iter().map(|values| pair(values).ok_or_else(wrong)).collect()
    }

    /// The sections of a section; none if there is no such section.
    fn sections(&self, name: &str) -> impl Iterator<Item = (&'s str, &'s Section)> + use<'s> {
        let section = match self.section.get(name) {
            Some(Node::Section(section)) => Some(section),
            _ => None,
        };
        section.into_iter().flat_map(Section::sections)
    }
}
