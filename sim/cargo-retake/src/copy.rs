//! The copy of tokio with the seeded scheduler inside, kept for the next time.

use std::fs;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::error::Error;
use crate::project::Tokio;

/// The copy of this tokio, made unless it is there. It is made elsewhere and renamed: one that
/// is there is whole, also if this program is killed or runs twice at a time.
///
/// # Errors
/// If this version of tokio is not supported, or the folder cannot be written.
pub(crate) fn of(tokio: &Tokio, folder: &Path) -> Result<PathBuf, Error> {
    let copy = folder.join(name(tokio));
    if copy.join("Cargo.toml").exists() {
        return Ok(copy);
    }
    fs::create_dir_all(folder).map_err(Error::of("create", folder))?;
    let temporary = tempfile::Builder::new()
        .prefix(".tokio-")
        .tempdir_in(folder)
        .map_err(Error::of("create a folder in", folder))?;
    let made = temporary.path().join("tokio");
    retake_seeded::generate(&tokio.folder, &made).map_err(|error| Error::Generate {
        version: tokio.version.clone(),
        what: error.to_string(),
    })?;
    match fs::rename(&made, &copy) {
        // Another process has been faster.
        Err(_) if copy.join("Cargo.toml").exists() => Ok(copy),
        Err(error) => Err(Error::of("create", &copy)(error)),
        Ok(()) => Ok(copy),
    }
}

/// The name of the copy's folder: another version, another package of it or another driver is
/// another copy.
fn name(tokio: &Tokio) -> String {
    let parts = format!("{:016x}\n{}", retake_seeded::DRIVER, tokio.folder.display());
    format!("tokio-{}-{:016x}", tokio.version, xxh3_64(parts.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_made_once_and_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("tokio-9.9.9");
        fs::create_dir_all(&source).unwrap();
        let tokio = Tokio {
            version: "9.9.9".to_owned(),
            folder: source,
        };
        let target = folder.path().join("target");
        // It is no tokio: nothing is left that could be taken for a copy.
        assert!(of(&tokio, &target).is_err());
        assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
    }

    #[test]
    fn another_package_of_one_version_is_another_copy() {
        let tokio = |folder: &str| Tokio {
            version: "1.2.3".to_owned(),
            folder: folder.into(),
        };
        assert_eq!(name(&tokio("/a")), name(&tokio("/a")));
        assert_ne!(name(&tokio("/a")), name(&tokio("/b")));
        assert!(name(&tokio("/a")).starts_with("tokio-1.2.3-"));
    }
}
