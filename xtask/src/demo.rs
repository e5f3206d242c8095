//! `cargo xtask demo`: the first minute. Cleans the committed demo image, and counts the planted secrets that a
//! search of the raw bytes finds before and after. Needs no root, and no program but cargo's.

use std::{fs, process::Command};

use tests::secrets::{self, Secret};

use crate::{
    paths,
    run::{Result, at, cargo, check},
};

/// Builds diskscrub, cleans the image with it, and shows the outcome.
pub(crate) fn run() -> Result<()> {
    let (source, scratch) = (paths::root().join("testdata/demo"), paths::target().join("demo"));
    let (image, clean) = (scratch.join("demo.img"), scratch.join("demo.clean.img"));
    let (packed, list) = (source.join("demo.img.zst"), source.join("demo.secrets.tsv"));

    check(&mut cargo(["build", "--quiet", "--workspace", "--bin", "diskscrub"]))?;
    fs::create_dir_all(&scratch).map_err(at(&scratch))?;
    let packed = fs::File::open(&packed).map_err(at(&packed))?;
    let before = zstd::decode_all(packed).map_err(|error| format!("the demo image is damaged: {error}"))?;
    fs::write(&image, &before).map_err(at(&image))?;

    println!("$ diskscrub clean target/demo/demo.img -o target/demo/demo.clean.img\n");
    let binary = paths::target().join("debug").join("diskscrub");
    check(Command::new(binary).args(["clean", "--force", "-o"]).args([&clean, &image]))?;

    let secrets = secrets::parse(&fs::read_to_string(&list).map_err(at(&list))?)?;
    let after = fs::read(&clean).map_err(at(&clean))?;
    let (found_before, found_after) = (secrets::found(&secrets, &before), secrets::found(&secrets, &after));
    let count = |found: &[&Secret], goes| found.iter().filter(|secret| secret.goes == goes).count();
    println!(
        "\nA search of the raw bytes for what was planted: secrets {} -> {}, content that has to stay {} -> {}.",
        count(&found_before, true),
        count(&found_after, true),
        count(&found_before, false),
        count(&found_after, false),
    );
    if let Some(left) = found_after.iter().find(|secret| secret.goes) {
        return Err(format!("a secret is left: {}", left.place));
    }
    if count(&found_before, false) != count(&found_after, false) {
        return Err("content is gone that had to stay".to_owned());
    }
    Ok(())
}
