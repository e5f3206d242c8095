//! GUIDs in their mixed-endian layout, and the names of partition types.

/// All zero: an unused entry.
pub(super) const UNUSED: [u8; 16] = [0; 16];
/// BIOS boot partition: where GRUB embeds its core image on a GPT disk.
pub(super) const BIOS_BOOT: &str = "21686148-6449-6E6F-744E-656564454649";
/// PowerPC PReP boot partition: firmware runs what it holds.
pub(super) const PREP: &str = "9E1A2D38-C612-4316-AA26-8B49521E5A8B";

/// The GUID as text, upper case as sfdisk(8) prints it. UEFI 2.10, appendix A: the first three fields are
/// little-endian, the others bytes.
pub(super) fn text(guid: &[u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = guid;
    format!(
        "{d:02X}{c:02X}{b:02X}{a:02X}-{f:02X}{e:02X}-{h:02X}{g:02X}-{i:02X}{j:02X}-{k:02X}{l:02X}{m:02X}{n:02X}{o:02X}{p:02X}"
    )
}

/// Name of a GPT partition type.
pub(super) fn type_name(type_id: &str) -> &'static str {
    match type_id {
        BIOS_BOOT => "BIOS boot",
        PREP => "PowerPC PReP boot",
        "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" => "EFI System",
        "024DEE41-33E7-11D3-9D69-0008C781F39F" => "MBR partition scheme",
        "0FC63DAF-8483-4772-8E79-3D69D8477DE4" => "Linux filesystem",
        "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F" => "Linux swap",
        "E6D6D379-F507-44C2-A23C-238F2A3DF928" => "Linux LVM",
        "A19D880F-05FC-4D3B-A006-743F0F84911E" => "Linux RAID",
        "CA7D7CCB-63ED-4C53-861C-1742536059CC" => "LUKS partition",
        "8DA63339-0007-60C0-C436-083AC8230908" => "Linux reserved",
        "933AC7E1-2EB4-4F13-B844-0E14E2AEF915" => "Linux home",
        "3B8F8425-20E0-4F3B-907F-1A25A76F98E8" => "Linux server data",
        "4D21B016-B534-45C2-A9FB-5C16E091FD2D" => "Linux variable data",
        "BC13C2FF-59E6-4262-A352-B275FD6F7172" => "Linux extended boot",
        "44479540-F297-41B2-9AF7-D131D5F0458A" => "Linux root (x86)",
        "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709" => "Linux root (x86-64)",
        "B921B045-1DF0-41C3-AF44-4C6F280D3FAE" => "Linux root (ARM-64)",
        "E3C9E316-0B5C-4DB8-817D-F92DF00215AE" => "Microsoft reserved",
        "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7" => "Microsoft basic data",
        "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC" => "Windows recovery environment",
        "5808C8AA-7E8F-42E0-85D2-E1E90434CFB3" => "Microsoft LDM metadata",
        "AF9B60A0-1431-4F62-BC68-3311714A69AD" => "Microsoft LDM data",
        "516E7CB4-6ECF-11D6-8FF8-00022D09712B" => "FreeBSD data",
        "83BD6B9D-7F41-11DC-BE0B-001560B84F0F" => "FreeBSD boot",
        "516E7CB5-6ECF-11D6-8FF8-00022D09712B" => "FreeBSD swap",
        "516E7CB6-6ECF-11D6-8FF8-00022D09712B" => "FreeBSD UFS",
        "516E7CBA-6ECF-11D6-8FF8-00022D09712B" => "FreeBSD ZFS",
        "48465300-0000-11AA-AA11-00306543ECAC" => "Apple HFS/HFS+",
        "7C3457EF-0000-11AA-AA11-00306543ECAC" => "Apple APFS",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_three_fields_are_little_endian() {
        // UEFI 2.10, table 5.7: the EFI System Partition, as it lies on a disk.
        let disk = *b"\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b";
        assert_eq!(text(&disk), "C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
        assert_eq!(type_name(&text(&disk)), "EFI System");
        // "Hah!IdontNeedEFI" in the order of its bytes.
        assert_eq!(text(b"Hah!IdontNeedEFI"), BIOS_BOOT);
    }
}
