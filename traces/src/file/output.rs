//! Writing a file as a whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Component, Path, PathBuf};

use tempfile::TempPath;

use super::{FileError, kind_of};

/// Bytes that are written at once.
const BUFFER: usize = 128 << 10;
/// Links that lead to one another, at most.
const LINKS_MAX: usize = 40;
/// Recordings of processes that were killed, of one name.
const CRASHES_MAX: usize = 1_000;

/// A file that is being written.
///
/// A regular file is written under another name in the same folder, then synced and renamed,
/// so that a crash or a full disk leaves what was there before. A symbolic link is followed
/// to the file that it names. What is there and is no regular file (a device, a FIFO,
/// `/dev/stdout`) is written straight into.
///
/// ```
/// use std::io::Write as _;
/// use retake_traces::file::OutputFile;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("a.txt");
/// let mut file = OutputFile::create(&path)?;
/// file.write_all(b"all of it")?;
/// assert!(!path.exists());
/// file.finish()?;
/// assert_eq!(std::fs::read(&path)?, b"all of it");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OutputFile {
    /// As the caller named it.
    path: PathBuf,
    out: BufWriter<File>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// Straight into what is there, or all is done.
    Here,
    /// A name that nobody knows, removed if the file is not finished.
    Unnamed(TempPath, PathBuf),
    /// `FILE.partial`, which stays if the file is not finished.
    Partial(PathBuf, PathBuf),
}

/// What a path leads to.
enum Target {
    /// No regular file, or one that this process has open as its output.
    Here(File),
    /// A regular file, or none yet.
    Regular(PathBuf, Option<fs::Permissions>),
}

impl OutputFile {
    /// Begin to write a file. What is there stays as it is until [`finish`](Self::finish).
    ///
    /// # Errors
    /// If the folder is missing or cannot be written to, or what is there cannot be.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let (target, permissions) = match resolve(path)? {
            Target::Here(file) => return Ok(Self::new(path, file, Place::Here)),
            Target::Regular(target, permissions) => (target, permissions),
        };
        let folder = folder_of(&target);
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(target.file_name().unwrap_or_default());
        prefix.push(".");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".tmp");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // As for any new file; the process's mask applies.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let file = builder
            .tempfile_in(folder)
            .map_err(FileError::of("create", path))?;
        let (file, temporary) = file.into_parts();
        set_permissions(&file, permissions);
        Ok(Self::new(path, file, Place::Unnamed(temporary, target)))
    }

    /// The same, but under the name `FILE.partial`, where it stays if it is not finished: what
    /// a killed process leaves can be read. A left-over of an earlier process is replaced.
    ///
    /// # Errors
    /// As [`create`](Self::create), and if another process is writing to it.
    pub fn create_partial(path: &Path) -> Result<Self, FileError> {
        Self::begin_partial(path, false)
    }

    /// The same, for recordings of live processes: others cannot read it, and a left-over of
    /// an earlier process is kept as `FILE.crash-1`, `FILE.crash-2` and so on.
    ///
    /// # Errors
    /// As [`create_partial`](Self::create_partial).
    pub fn create_recording(path: &Path) -> Result<Self, FileError> {
        Self::begin_partial(path, true)
    }

    fn begin_partial(path: &Path, is_recording: bool) -> Result<Self, FileError> {
        let (target, permissions) = match resolve(path)? {
            Target::Here(file) => return Ok(Self::new(path, file, Place::Here)),
            Target::Regular(target, permissions) => (target, permissions),
        };
        let partial = with_ending(&target, ".partial");
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if is_recording {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        loop {
            match options.open(&partial) {
                Ok(file) => {
                    // Tells other processes that it is in use. Not every file system can.
                    let _ = file.try_lock();
                    if !is_recording {
                        set_permissions(&file, permissions);
                    }
                    return Ok(Self::new(path, file, Place::Partial(partial, target)));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    clear_partial(&partial, &target, is_recording)?;
                }
                Err(error) => return Err(FileError::of("create", &partial)(error)),
            }
        }
    }

    fn new(path: &Path, file: File, place: Place) -> Self {
        Self {
            path: path.to_owned(),
            out: BufWriter::with_capacity(BUFFER, file),
            place,
        }
    }

    /// Write a whole file at once.
    ///
    /// # Errors
    /// As [`create`](Self::create), and if it cannot be written.
    pub fn write_all_to(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), FileError> {
        let mut file = Self::create(path)?;
        file.write_all(bytes.as_ref())
            .map_err(FileError::of("write", path))?;
        file.finish()
    }

    /// Write what is buffered, make it durable, and give it its name.
    ///
    /// # Errors
    /// If that fails: what was there before is then unchanged.
    pub fn finish(mut self) -> Result<(), FileError> {
        self.end()
    }

    /// The same for a file that is part of something else. What is written later is lost.
    pub(crate) fn end(&mut self) -> Result<(), FileError> {
        let failed = |path: &Path| FileError::of("write", path);
        self.out.flush().map_err(failed(&self.path))?;
        let target = match std::mem::replace(&mut self.place, Place::Here) {
            Place::Here => return Ok(()),
            Place::Unnamed(temporary, target) => {
                self.sync()?;
                temporary
                    .persist(&target)
                    .map_err(|error| failed(&self.path)(error.error))?;
                target
            }
            Place::Partial(partial, target) => {
                self.sync()?;
                fs::rename(&partial, &target).map_err(failed(&self.path))?;
                target
            }
        };
        // The new name survives a loss of power too, where folders can be synced.
        let _ = File::open(folder_of(&target)).and_then(|folder| folder.sync_all());
        Ok(())
    }

    fn sync(&self) -> Result<(), FileError> {
        let synced = self.out.get_ref().sync_all();
        synced.map_err(FileError::of("write", &self.path))
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Refuse to write over one of the files that are read, whatever links lead to it.
///
/// # Errors
/// If `path` is one of them.
pub fn refuse_input<'a>(
    path: &Path,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), FileError> {
    for input in inputs {
        if is_same(path, input) || is_same(&with_ending(path, ".partial"), input) {
            let what = format!(
                "it is the same file as `{}`, which is read: write to another place",
                input.display()
            );
            return Err(FileError::refused("write", path, what));
        }
    }
    Ok(())
}

/// See that files can be made in a folder, or in the nearest one that is there, before the
/// work whose results go there. Nothing is left behind.
///
/// # Errors
/// If they cannot.
pub fn check_folder(folder: &Path) -> Result<(), FileError> {
    let mut found = folder_or_here(folder);
    while let (Err(error), Some(above)) = (fs::metadata(found), found.parent()) {
        if error.kind() != io::ErrorKind::NotFound {
            return Err(FileError::of("create", folder)(error));
        }
        found = folder_or_here(above);
    }
    let folder = found;
    let probe = tempfile::Builder::new()
        .prefix(".probe.")
        .tempfile_in(folder);
    probe.map(drop).map_err(FileError::of("write", folder))
}

/// See that a file can be written, before the work whose result goes there. What is no
/// regular file is not opened.
///
/// # Errors
/// As [`OutputFile::create`].
pub fn check_output(path: &Path) -> Result<(), FileError> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() && !found.is_dir() => Ok(()),
        _ => OutputFile::create(path).map(drop),
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let (Ok(one_found), Ok(other_found)) = (fs::metadata(one), fs::metadata(other)) else {
        return false;
    };
    // A terminal or a pipe may well be both ends.
    if !one_found.is_file() {
        return false;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let id = |found: &fs::Metadata| (found.dev(), found.ino());
        id(&one_found) == id(&other_found)
    }
    #[cfg(not(unix))]
    {
        let _ = other_found;
        matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
    }
}

/// Where a path leads.
fn resolve(path: &Path) -> Result<Target, FileError> {
    let refused = |what: String| FileError::refused("create", path, what);
    let is_folder = || refused("it is a folder: name a file in it".to_owned());
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(is_folder()),
        Ok(found) if !found.is_file() => match kind_of(found.file_type()) {
            "a socket" => Err(refused("it is a socket: name a file".to_owned())),
            // A FIFO waits for its reader, as it does for every writer.
            _ => open_here(path),
        },
        Ok(found) => {
            if let Some(file) = own_output(&found) {
                return Ok(Target::Here(file));
            }
            let (target, is_descriptor) = follow(path)?;
            if is_descriptor {
                return open_here(path);
            }
            // Who may not write to a file must not replace it either.
            let writable = OpenOptions::new().write(true).open(&target);
            writable.map_err(FileError::of("create", path))?;
            refuse_ledger(path, &target)?;
            Ok(Target::Regular(target, Some(found.permissions())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (target, _) = follow(path)?;
            let ends_as_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
            if target.file_name().is_none() || ends_as_folder {
                return Err(is_folder());
            }
            let folder = folder_of(&target);
            if !folder.is_dir() {
                return Err(refused(format!(
                    "there is no folder `{}`: create it, or write to another place",
                    folder.display()
                )));
            }
            refuse_ledger(path, &target)?;
            Ok(Target::Regular(target, None))
        }
        Err(error) => Err(FileError::of("create", path)(error)),
    }
}

/// How the log of a ledger begins, in any version of its form, and how its file is called: what
/// `retake-system` keeps its receipts in.
const LEDGER: (&[u8], &str) = (b"RTKLEDG", "ledger.log");

/// Nothing is written over a ledger or into its folder, where a server may be at work: what it
/// has acknowledged would be lost.
fn refuse_ledger(path: &Path, target: &Path) -> Result<(), FileError> {
    let (beginning, name) = LEDGER;
    let is_ledger = |file: &Path| {
        let mut bytes = [0; LEDGER.0.len()];
        let is_file = fs::metadata(file).is_ok_and(|it| it.is_file());
        let read = |bytes: &mut [u8]| File::open(file)?.read_exact(bytes);
        is_file && read(&mut bytes).is_ok() && bytes == beginning
    };
    if is_ledger(target) || is_ledger(&folder_of(target).join(name)) {
        let what = "a ledger is here: write to another folder";
        return Err(FileError::refused("create", path, what));
    }
    Ok(())
}

/// Open what is there to write to its end.
fn open_here(path: &Path) -> Result<Target, FileError> {
    let file = OpenOptions::new().append(true).open(path);
    file.map(Target::Here)
        .map_err(FileError::of("create", path))
}

/// The file that symbolic links lead to, which need not be there; and whether the way leads
/// through a name of an open descriptor, such as `/dev/fd/3`.
fn follow(path: &Path) -> Result<(PathBuf, bool), FileError> {
    let mut at = path.to_owned();
    for _ in 0..LINKS_MAX {
        if is_descriptor(&at) {
            return Ok((at, true));
        }
        let Ok(next) = fs::read_link(&at) else {
            return Ok((at, false));
        };
        // From the folder of the link; `join` takes an absolute path as it is.
        at = folder_of(&at).join(next);
    }
    Err(FileError::refused(
        "create",
        path,
        "too many symbolic links: name the file itself",
    ))
}

fn is_descriptor(path: &Path) -> bool {
    let is_at = |root: &str| path.starts_with(root);
    let of_process = path
        .components()
        .any(|part| part == Component::Normal("fd".as_ref()));
    is_at("/dev/fd") || (is_at("/proc") && of_process)
}

/// This process's standard output or error, if it is this file: replacing the file would
/// lose what else goes there.
fn own_output(found: &fs::Metadata) -> Option<File> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd as _;
        use std::os::unix::fs::MetadataExt as _;
        let (out, err) = (io::stdout(), io::stderr());
        for own in [out.as_fd(), err.as_fd()] {
            let file = File::from(own.try_clone_to_owned().ok()?);
            let is_it = file
                .metadata()
                .is_ok_and(|it| (it.dev(), it.ino()) == (found.dev(), found.ino()));
            if is_it {
                return Some(file);
            }
        }
    }
    #[cfg(not(unix))]
    let _ = found;
    None
}

/// Make way for a new `.partial`: only a regular file that no process writes to is one of
/// ours.
fn clear_partial(partial: &Path, target: &Path, keep: bool) -> Result<(), FileError> {
    let refused = |what: &str| FileError::refused("create", partial, what);
    let failed = || FileError::of("create", partial);
    let found = match fs::symlink_metadata(partial) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed()(error)),
    };
    if !found.is_file() {
        return Err(refused(
            "what has this name was not left by a recording: remove it, or write to another place",
        ));
    }
    match OpenOptions::new().write(true).open(partial) {
        Ok(file) => {
            if matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)) {
                return Err(refused(
                    "another process is writing to it: wait for its end, or write to another place",
                ));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed()(error)),
    }
    if keep && found.len() > 0 {
        let place = (1..=CRASHES_MAX)
            .map(|number| with_ending(target, &format!(".crash-{number}")))
            .find(|place| fs::symlink_metadata(place).is_err());
        let place = place.ok_or_else(|| {
            refused("too many recordings of killed processes are kept: remove some")
        })?;
        return fs::rename(partial, place).map_err(failed());
    }
    fs::remove_file(partial).map_err(failed())
}

fn set_permissions(file: &File, permissions: Option<fs::Permissions>) {
    if let Some(permissions) = permissions {
        // The file is written all the same.
        let _ = file.set_permissions(permissions);
    }
}

fn folder_of(path: &Path) -> &Path {
    folder_or_here(path.parent().unwrap_or(Path::new("")))
}

fn folder_or_here(folder: &Path) -> &Path {
    if folder == Path::new("") {
        Path::new(".")
    } else {
        folder
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
