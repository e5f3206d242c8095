//! `diskscrub batch plan`: looks the images up, and prints what is to be done. Nothing is cleaned or written.

use std::{fs, path::PathBuf, process::ExitCode};

use batch::{Found, Header, Image, PLAN_SCHEMA, Plan, Stamp, Wrapper};
use block::OpenOptions;

use super::settings;
use crate::{
    args::{BatchPlanArgs, FormatArg},
    failure::Failure,
    human, output,
};

/// Makes a plan.
pub(super) fn run(args: &BatchPlanArgs) -> Result<ExitCode, Failure> {
    let (policy, select, options) = settings::keep(&args.settings)?;
    let out = std::path::absolute(&args.out)
        .map_err(|error| Failure::usage(format_args!("{}: {error}", args.out.display())))?;
    if out.exists() && !out.is_dir() {
        return Err(Failure::usage(format_args!("{}: is no directory", out.display())));
    }
    let out = out.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::usage(format_args!("{}: is not UTF-8, so a plan cannot name it", out.display()))
    })?;
    let inputs: Vec<PathBuf> = args.inputs.iter().cloned().chain(listed(args)?).collect();
    let gathered = batch::gather(&inputs, out.as_ref()).map_err(Failure::usage)?;
    let images = gathered.images.into_iter().map(image).collect::<Result<Vec<_>, _>>()?;
    let header = Header {
        schema: PLAN_SCHEMA.to_owned(),
        images: 0,
        shards: args.shards.unwrap_or(0),
        out,
        policy,
        select,
        options,
    };
    let format = args.settings.output_format.map(|format| match format {
        FormatArg::Raw => "raw",
        FormatArg::Qcow2 => "qcow2",
    });
    let plan = Plan::new(header, images, format).map_err(Failure::usage)?;
    batch::check_files(&plan.rows).map_err(Failure::usage)?;
    if gathered.ignored > 0 {
        let files = human::count(gathered.ignored, "file");
        output::message(&format!(
            "{files} left out, for their names are no image's: name them to have them cleaned"
        ));
    }
    output::print(&plan.to_lines())?;
    Ok(ExitCode::SUCCESS)
}

/// The inputs of `--from`.
fn listed(args: &BatchPlanArgs) -> Result<Vec<PathBuf>, Failure> {
    let Some(path) = &args.from else { return Ok(Vec::new()) };
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format_args!("{}: {error}", path.display())))?;
    Ok(text.lines().filter(|line| !line.is_empty()).map(PathBuf::from).collect())
}

/// What is known of an image without reading it.
fn image(found: Found) -> Result<Image, Failure> {
    let metadata = fs::metadata(&found.path)
        .map_err(|error| Failure::usage(format_args!("{}: {error}", found.path.display())))?;
    let wrapped = Wrapper::of(&found.place.to_string_lossy());
    let format = match wrapped {
        (Wrapper::None, _) => match block::open(&found.path, &OpenOptions::default()) {
            Ok(image) => image.info.format.to_string(),
            // It stays a row: cleaning says why, and so does the summary.
            Err(error) => error.to_string(),
        },
        (_, inner) => if inner.to_ascii_lowercase().ends_with(".qcow2") { "qcow2" } else { "raw" }.to_owned(),
    };
    Ok(Image { stamp: Stamp::from(&metadata), format, found })
}
