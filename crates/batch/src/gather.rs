//! Which images are meant: files, directories, patterns.
//!
//! The order is that of the arguments, and of names within a directory: the same shelf gives the same plan.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use globset::{GlobBuilder, GlobMatcher};

use crate::{Error, Result, is_image_name};

/// An image file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is, absolute.
    pub path: PathBuf,
    /// Where it lies on the shelf: below the directory that was named, or its file name alone.
    pub place: PathBuf,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The images, each path once.
    pub images: Vec<Found>,
    /// How many files of directories were left out, for their names are no image's.
    pub ignored: u64,
}

/// Looks up what `arguments` name. An argument that does not exist is a pattern if it has `*`, `?` or `[` in it. Of a
/// directory, all files are taken whose names say that they are images, those of its subdirectories too; hidden ones,
/// linked directories and `out` itself are left out.
///
/// # Errors
/// If something that is named does not exist or cannot be read, or if a pattern matches nothing.
pub fn gather(arguments: &[PathBuf], out: &Path) -> Result<Gathered> {
    let mut gathered = Gathered::default();
    let mut seen = BTreeSet::new();
    let out = fs::canonicalize(out).ok();
    for argument in arguments {
        let path = std::path::absolute(argument).map_err(Error::io(argument))?;
        let images = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {
                let files = files_below(&path, out.as_deref())?;
                let found = files.len();
                let images: Vec<PathBuf> = files.into_iter().filter(|file| has_image_name(file)).collect();
                gathered.ignored += block::to_u64(found - images.len());
                places(images, &path)
            }
            Ok(metadata) if metadata.is_file() => {
                let place = path.file_name().ok_or_else(|| Error::path(&path, "is no file name"))?.into();
                vec![Found { path, place }]
            }
            Ok(_) => return Err(Error::path(path, "is neither a regular file nor a directory")),
            Err(error) => match pattern(&path) {
                Some((base, glob)) => {
                    let files = files_below(&base, out.as_deref())?;
                    let found: Vec<PathBuf> = files.into_iter().filter(|file| glob.is_match(file)).collect();
                    if found.is_empty() {
                        return Err(Error::path(argument, "matches no file"));
                    }
                    places(found, &base)
                }
                None => return Err(Error::io(argument)(error)),
            },
        };
        gathered.images.extend(images.into_iter().filter(|image| seen.insert(image.path.clone())));
    }
    if gathered.images.is_empty() { Err(Error::Empty) } else { Ok(gathered) }
}

fn places(files: Vec<PathBuf>, base: &Path) -> Vec<Found> {
    let found = |path: PathBuf| Found { place: path.strip_prefix(base).unwrap_or(&path).to_owned(), path };
    files.into_iter().map(found).collect()
}

fn has_image_name(path: &Path) -> bool {
    path.file_name().is_some_and(|name| is_image_name(&name.to_string_lossy()))
}

/// The pattern of a path, and the directory that everything it can match lies in.
fn pattern(path: &Path) -> Option<(PathBuf, GlobMatcher)> {
    let text = path.to_str()?;
    let special =
        |component: &Component<'_>| component.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    path.components().find(special)?;
    let base = path.components().take_while(|component| !special(component)).collect();
    let glob = GlobBuilder::new(text).literal_separator(true).build().ok()?;
    Some((base, glob.compile_matcher()))
}

/// All regular files below a directory, by name; links to files are followed, links to directories are not.
fn files_below(directory: &Path, out: Option<&Path>) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        if out.is_some() && fs::canonicalize(&directory).ok().as_deref() == out {
            continue;
        }
        for entry in fs::read_dir(&directory).map_err(Error::io(&directory))? {
            let entry = entry.map_err(Error::io(&directory))?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(Error::io(entry.path()))?);
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if kind.is_dir() {
                left.push(path);
            } else if kind.is_file() || kind.is_symlink() && fs::metadata(&path).is_ok_and(|at| at.is_file())
            {
                files.push(path);
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn shelf() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.raw", "a.qcow2.gz", "notes.txt", ".hidden.raw", "web/1.raw", "db/1.raw", "out/b.raw"]
        {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        symlink("..", directory.path().join("web/loop")).unwrap();
        symlink("b.raw", directory.path().join("linked.raw")).unwrap();
        directory
    }

    fn places_of(shelf: &Path, arguments: &[&str]) -> Result<Vec<String>, String> {
        let arguments: Vec<PathBuf> = arguments.iter().map(|argument| shelf.join(argument)).collect();
        let found = gather(&arguments, &shelf.join("out")).map_err(|error| error.to_string())?;
        assert!(found.images.iter().all(|image| image.path.is_absolute()));
        Ok(found.images.iter().map(|image| image.place.display().to_string()).collect())
    }

    #[test]
    fn directories_and_patterns_keep_their_tree() {
        let shelf = shelf();
        let places = |arguments: &[&str]| places_of(shelf.path(), arguments).unwrap();
        assert_eq!(places(&[""]), ["a.qcow2.gz", "b.raw", "db/1.raw", "linked.raw", "web/1.raw"]);
        assert_eq!(places(&["*/1.raw"]), ["db/1.raw", "web/1.raw"]);
        assert_eq!(places(&["**/b.raw"]), ["b.raw"]);
        assert_eq!(places(&["web/1.raw", "notes.txt"]), ["1.raw", "notes.txt"]);
        // Named twice is meant once.
        assert_eq!(places(&["b.raw", "*.raw"]), ["b.raw", "linked.raw"]);
        let whole = gather(&[shelf.path().to_owned()], &shelf.path().join("out")).unwrap();
        assert_eq!(whole.ignored, 1);
    }

    #[test]
    fn what_is_named_has_to_be_there() {
        let shelf = shelf();
        let said = |argument: &str| places_of(shelf.path(), &[argument]).unwrap_err();
        let at = |name: &str| shelf.path().join(name).display().to_string();
        assert_eq!(said("none.raw"), format!("{}: No such file or directory (os error 2)", at("none.raw")));
        assert_eq!(said("*.vdi"), format!("{}: matches no file", at("*.vdi")));
        assert_eq!(said("out"), Error::Empty.to_string());
        let said = places_of(Path::new("/"), &["dev/null"]).unwrap_err();
        assert_eq!(said, "/dev/null: is neither a regular file nor a directory");
    }
}
