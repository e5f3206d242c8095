//! Where logical volumes lie.

use filesystem::{Content, Extent, Layout, LiveKind, OpaqueKind, Volume, layout};

use super::sample::{DATA, EXTENT, PV, disk, group, linear, lv, pv};

/// Of a disk that is one physical volume.
fn whole(logical: &str) -> Layout {
    layout(&pv(PV[0], 64, Some(&group(1, logical))), None).unwrap()
}

/// Extents of the first physical volume, `from` up to `to`.
fn extents(base: usize, from: usize, to: usize) -> Extent {
    let at = |extent: usize| u64::try_from(base + DATA + extent * EXTENT).unwrap();
    Extent::between(at(from), at(to))
}

fn named<'l>(layout: &'l Layout, name: &str) -> &'l Volume {
    layout.volumes.iter().find(|volume| volume.name == name).unwrap_or_else(|| panic!("no volume {name}"))
}

#[test]
fn linear_segments_follow_each_other() {
    let found = whole(&lv("ro-ot", true, &[(3, &linear(0, 10)), (2, &linear(0, 4)), (1, &linear(0, 6))]));
    assert_eq!(found.volumes.len(), 2);
    let root = named(&found, "t-vg/ro-ot");
    assert_eq!(root.extents, [extents(0, 10, 13), extents(0, 4, 7)]);
    assert_eq!((root.number, root.logical, root.content), (1, true, Content::Empty));
    assert_eq!(root.paths[..2], ["/dev/mapper/t--vg-ro--ot", "/dev/t-vg/ro-ot"]);
    assert_eq!(
        root.paths[3],
        "/dev/disk/by-id/dm-uuid-LVM-VGaaaa00000000000000000000000001LVaaaa00000000000000000000000599"
            .replace("000599", &root.paths[3][root.paths[3].len() - 6..])
    );
    let physical = &found.volumes[0];
    assert_eq!((physical.number, physical.content, &physical.reason), (0, Content::Lvm2, &None));
    let first = Extent::between(0, extents(0, 4, 4).start);
    assert_eq!(physical.extents, [first, extents(0, 7, 10), extents(0, 13, 64)]);
    assert_eq!(found.physical[0].group.as_deref(), Some("t-vg"));
    let live: Vec<_> = found.live.iter().map(|region| (region.kind, region.extent.start)).collect();
    let metadata = LiveKind::LvmMetadata;
    assert_eq!(live, [(LiveKind::LvmLabel, 512), (metadata, 4096), (metadata, 4096 + 512)]);
}

#[test]
fn stripes_take_turns() {
    let two = "type = \"striped\"\nstripe_count = 2\nstripe_size = 4\nstripes = [\"pv0\", 0, \"pv1\", 8]";
    let text = group(2, &lv("data", true, &[(4, two)]));
    let parts = [pv(PV[0], 64, Some(&text)), pv(PV[1], 64, Some(&text))];
    let found = layout(&disk(&[&parts[0], &parts[1]]), None).unwrap();
    let data = named(&found, "t-vg/data");
    let (a, b) = (extents(1 << 20, 0, 2).start, extents((1 << 20) + parts[0].len(), 8, 10).start);
    let expected: Vec<Extent> = (0..4)
        .flat_map(|round| [a, b].map(|start| Extent { start: start + round * 2048, len: 2048 }))
        .collect();
    assert_eq!(data.extents, expected);
    assert_eq!(data.number, 3);
}

/// `raid0` has its parts in logical volumes.
#[test]
fn raid0_is_striped() {
    let logical = [
        lv(
            "fast",
            true,
            &[(
                4,
                "type = \"raid0\"\nstripe_count = 2\nstripe_size = 8\nraid0_lvs = [\"fast_rimage_0\", \"fast_rimage_1\"]",
            )],
        ),
        lv("fast_rimage_0", false, &[(2, &linear(0, 0))]),
        lv("fast_rimage_1", false, &[(2, &linear(0, 10))]),
    ];
    let found = whole(&logical.concat());
    let expected = [extents(0, 0, 1), extents(0, 10, 11), extents(0, 1, 2), extents(0, 11, 12)];
    assert_eq!(named(&found, "t-vg/fast").extents, expected);
    assert_eq!(found.volumes.len(), 2);
}

#[test]
fn every_leg_of_a_mirror_is_known() {
    let raid = "type = \"raid1\"\ndevice_count = 2\nregion_size = 8\n\
                raids = [\"r_rmeta_0\", \"r_rimage_0\", \"r_rmeta_1\", \"r_rimage_1\"]";
    let logical = [
        lv("r", true, &[(2, raid)]),
        lv("r_rmeta_0", false, &[(1, &linear(0, 0))]),
        lv("r_rimage_0", false, &[(2, &linear(0, 1))]),
        lv("r_rmeta_1", false, &[(1, &linear(0, 3))]),
        lv("r_rimage_1", false, &[(1, &linear(0, 4)), (1, &linear(0, 8))]),
    ];
    let mut image = pv(PV[0], 64, Some(&group(1, &logical.concat())));
    let meta = DATA;
    image[meta..meta + 4].copy_from_slice(&0x6452_6d44_u32.to_le_bytes());
    let found = layout(&image, None).unwrap();
    let volume = named(&found, "t-vg/r");
    assert_eq!(volume.extents, [extents(0, 1, 3)]);
    assert_eq!(volume.copies, [vec![extents(0, 4, 5), extents(0, 8, 9)]]);
    let mirror = found.live.iter().filter(|region| region.kind == LiveKind::MirrorMetadata);
    let mirror: Vec<_> = mirror.map(|region| region.extent).collect();
    assert_eq!(mirror, [Extent { start: u64::try_from(meta).unwrap(), len: 512 }]);

    let old = "type = \"mirror\"\nmirror_count = 2\nmirror_log = \"m_mlog\"\nregion_size = 1024\n\
               mirrors = [\"m_mimage_0\", 0, \"m_mimage_1\", 0]";
    let logical = [
        lv("m", true, &[(2, old)]),
        lv("m_mlog", false, &[(1, &linear(0, 0))]),
        lv("m_mimage_0", false, &[(2, &linear(0, 1))]),
        lv("m_mimage_1", false, &[(2, &linear(0, 5))]),
    ];
    let found = whole(&logical.concat());
    let volume = named(&found, "t-vg/m");
    assert_eq!((&volume.extents, &volume.copies), (&vec![extents(0, 1, 3)], &vec![vec![extents(0, 5, 7)]]));
}

/// What is more than a sequence of bytes is opaque, by name, with all that belongs to it.
#[test]
fn what_is_not_read_has_a_name() {
    let root = lv("root", true, &[(4, &linear(0, 0))]);
    let cases: &[(&str, &str, Vec<String>, Vec<Extent>)] = &[
        (
            "pool",
            "LVM2 thin-pool",
            vec![
                lv(
                    "pool",
                    true,
                    &[(
                        2,
                        "type = \"thin-pool\"\nmetadata = \"pool_tmeta\"\npool = \"pool_tdata\"\ntransaction_id = 1\nchunk_size = 128\ndiscards = \"passdown\"",
                    )],
                ),
                lv("pool_tmeta", false, &[(1, &linear(0, 10))]),
                lv("pool_tdata", false, &[(2, &linear(0, 11))]),
                lv(
                    "thin1",
                    true,
                    &[(8, "type = \"thin\"\nthin_pool = \"pool\"\ntransaction_id = 0\ndevice_id = 1")],
                ),
                lv("lvol0_pmspare", false, &[(1, &linear(0, 13))]),
            ],
            vec![extents(0, 10, 11), extents(0, 11, 13)],
        ),
        (
            "snap",
            "LVM2 snapshot",
            vec![
                lv("snap", true, &[(2, &linear(0, 10))]),
                lv(
                    "snapshot0",
                    false,
                    &[(4, "type = \"snapshot\"\nchunk_size = 8\norigin = \"root\"\ncow_store = \"snap\"")],
                ),
            ],
            vec![extents(0, 10, 12)],
        ),
        (
            "big",
            "LVM2 cache",
            vec![
                lv("big", true, &[(2, "type = \"cache\"\ncache_pool = \"c\"\norigin = \"big_corig\"")]),
                lv("big_corig", false, &[(2, &linear(0, 10))]),
                lv(
                    "c",
                    false,
                    &[(
                        1,
                        "type = \"cache-pool\"\ndata = \"c_cdata\"\nmetadata = \"c_cmeta\"\ncache_mode = \"writethrough\"",
                    )],
                ),
                lv("c_cdata", false, &[(1, &linear(0, 12))]),
                lv("c_cmeta", false, &[(1, &linear(0, 13))]),
            ],
            vec![extents(0, 12, 13), extents(0, 13, 14), extents(0, 10, 12)],
        ),
        (
            "five",
            "LVM2 raid5_ls",
            vec![
                lv(
                    "five",
                    true,
                    &[(
                        2,
                        "type = \"raid5_ls\"\ndevice_count = 3\nstripe_size = 128\nraids = [\"five_rmeta_0\", \"five_rimage_0\"]",
                    )],
                ),
                lv("five_rmeta_0", false, &[(1, &linear(0, 10))]),
                lv("five_rimage_0", false, &[(2, &linear(0, 11))]),
            ],
            vec![extents(0, 10, 11), extents(0, 11, 13)],
        ),
        (
            "safe",
            "LVM2 integrity",
            vec![
                lv(
                    "safe",
                    true,
                    &[(
                        1,
                        "type = \"raid1\"\ndevice_count = 1\nraids = [\"safe_rmeta_0\", \"safe_rimage_0\"]",
                    )],
                ),
                lv("safe_rmeta_0", false, &[(1, &linear(0, 10))]),
                lv(
                    "safe_rimage_0",
                    false,
                    &[(
                        1,
                        "type = \"integrity\"\norigin = \"safe_rimage_0_iorig\"\nmeta_dev = \"safe_rimage_0_imeta\"",
                    )],
                ),
                lv("safe_rimage_0_iorig", false, &[(1, &linear(0, 12))]),
                lv("safe_rimage_0_imeta", false, &[(1, &linear(0, 14))]),
            ],
            vec![extents(0, 10, 11), extents(0, 12, 13), extents(0, 14, 15)],
        ),
        (
            "fast",
            "LVM2 segment of an unknown type",
            vec![lv("fast", true, &[(2, "type = \"quantum+ENTANGLED\"\nstripes = [\"pv0\", 10]")])],
            vec![extents(0, 10, 12)],
        ),
    ];
    for (name, kind, logical, extents) in cases {
        let found = whole(&(root.clone() + &logical.concat()));
        let volume = named(&found, &format!("t-vg/{name}"));
        assert_eq!(volume.content.to_string(), *kind);
        assert_eq!(volume.extents, *extents, "{name}");
        assert!(matches!(volume.content, Content::Opaque(OpaqueKind::LvmSegment(_))));
        assert_eq!(named(&found, "t-vg/root").content, Content::Empty);
        let spare = usize::from(*name == "pool");
        assert_eq!(found.volumes.len(), 3 + spare, "{name}");
    }
    let thin = whole(&(root + &cases[0].2.concat()));
    assert_eq!(thin.notes, ["t-vg/thin1: a thin volume, which lies in its pool"]);
}

/// A snapshot that is being merged is what its origin will be.
#[test]
fn a_merge_makes_the_origin_opaque() {
    let logical = [
        lv("root", true, &[(4, &linear(0, 0))]),
        lv("snap", true, &[(2, &linear(0, 10))]),
        lv(
            "snapshot0",
            false,
            &[(4, "type = \"snapshot\"\nchunk_size = 8\norigin = \"root\"\nmerging_store = \"snap\"")],
        ),
    ];
    let found = whole(&logical.concat());
    for name in ["t-vg/root", "t-vg/snap"] {
        assert_eq!(named(&found, name).content, Content::Opaque(OpaqueKind::LvmSegment("snapshot")));
    }
}

/// A text that goes round at the end of the ring, and one that another physical volume has alone.
#[test]
fn texts_lie_where_the_header_says() {
    let text = group(2, &lv("root", true, &[(3, &linear(1, 5))]));
    let mut first = pv(PV[0], 64, None);
    super::sample::set_text(&mut first, super::sample::AREA_LEN - 512, &text);
    let second = pv(PV[1], 64, None);
    let found = layout(&disk(&[&first, &second]), None).unwrap();
    let base = (1 << 20) + first.len();
    assert_eq!(named(&found, "t-vg/root").extents, [extents(base, 5, 8)]);
    let texts = found.live.iter().filter(|region| region.kind == LiveKind::LvmMetadata).count();
    assert_eq!(texts, 2 + 2, "two headers, and a text in two pieces");
}

/// Made by pvcreate(8), in no group yet: nothing of it is data.
#[test]
fn an_unused_physical_volume_is_free() {
    let found = layout(&pv(PV[0], 64, None), None).unwrap();
    assert_eq!((found.volumes.len(), found.volumes[0].content), (1, Content::Lvm2));
    assert_eq!(found.physical[0].group, None);
}

/// Room for boot loaders that holds something: nobody knows what.
#[test]
fn a_boot_loader_area_is_not_dropped_in_silence() {
    let text = group(1, "");
    for (filled, volumes) in [(false, 1), (true, 2)] {
        let mut image = pv(PV[0], 128, Some(&text));
        super::sample::put64(&mut image, 512 + 144, DATA + 100 * EXTENT);
        super::sample::put64(&mut image, 512 + 152, 8 * EXTENT);
        super::sample::seal_label(&mut image);
        image[DATA + 101 * EXTENT] = u8::from(filled);
        let found = layout(&image, None).unwrap();
        assert_eq!(found.volumes.len(), volumes);
        if let Some(area) = found.volumes.get(1) {
            assert_eq!(area.content, Content::Opaque(OpaqueKind::Unknown));
            assert_eq!(area.extents, [extents(0, 100, 108)]);
        }
    }
}
