//! A directory that is held open: everything in it is reached through its
//! descriptor, and no link is followed.
//!
//! A path means what the file system says at the moment it is looked up: after
//! `chdir`, `chroot` or a rename it means another place, and where others may
//! write, a link that they planted. A descriptor means the same directory for
//! good. Files are made only where nothing is (`O_EXCL`), replaced only by
//! renaming a whole new file over them, and opened only where they are files.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, fchmod, flock, fstat, fsync, mkdirat,
    openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Who may look into a new directory: its owner.
pub(super) const DIRECTORY_MODE: u32 = 0o700;

/// How often a name is tried before it is given up, where others make files of
/// the same name.
const TRIES: u32 = 100;

#[derive(Debug)]
pub(super) struct Directory {
    fd: OwnedFd,
    /// Mode of new files.
    file_mode: Mode,
    /// Whether modes are set as asked, whatever the process's umask says.
    exact: bool,
}

impl Directory {
    /// Makes a directory that was not there. With a mode, it is that whatever
    /// the umask; without, only the owner may look in.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] where anything of that name is there,
    /// a link that leads nowhere among it.
    pub(super) fn make_new(
        parent: BorrowedFd<'_>,
        name: &Path,
        mode: Option<u32>,
    ) -> io::Result<Self> {
        mkdirat(
            parent,
            name,
            Mode::from_raw_mode(mode.unwrap_or(DIRECTORY_MODE)),
        )?;
        let fd = openat(
            parent,
            name,
            OPEN_DIRECTORY | OFlags::NOFOLLOW,
            Mode::empty(),
        )?;
        let directory = Self::of(fd, mode);
        if let Some(mode) = mode {
            // A file system without modes is as open as it is.
            let _ = fchmod(&directory.fd, Mode::from_raw_mode(mode));
        }
        // Between the two calls somebody may have put another one in its place.
        directory.must_be_ours()?;
        Ok(directory)
    }

    /// An empty directory that is there, for a new run.
    pub(super) fn take_empty(path: &Path, mode: Option<u32>) -> io::Result<Self> {
        let directory = Self::take_back(path, mode)?;
        if directory.names()?.next().is_some() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        Ok(directory)
    }

    /// The directory of a run that was removed and made again.
    pub(super) fn take_back(path: &Path, mode: Option<u32>) -> io::Result<Self> {
        let fd = rustix::fs::open(path, OPEN_DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
        let directory = Self::of(fd, mode);
        directory.must_be_ours()?;
        Ok(directory)
    }

    /// A directory that is there. The path is its user's, so links on the way
    /// are followed; new files are as open to others as `like` in it is.
    pub(super) fn open(path: &Path, like: &str) -> io::Result<Self> {
        let fd = rustix::fs::open(path, OPEN_DIRECTORY, Mode::empty())?;
        let mut directory = Self::of(fd, None);
        if let Ok(stat) = statat(&directory.fd, like, AtFlags::SYMLINK_NOFOLLOW)
            && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        {
            let mode = Mode::from_raw_mode(stat.st_mode & 0o666);
            directory.file_mode = mode | Mode::RUSR | Mode::WUSR;
            directory.exact = true;
        }
        Ok(directory)
    }

    fn of(fd: OwnedFd, mode: Option<u32>) -> Self {
        Directory {
            fd,
            file_mode: Mode::from_raw_mode(mode.unwrap_or(DIRECTORY_MODE) & 0o666),
            exact: mode.is_some(),
        }
    }

    fn must_be_ours(&self) -> io::Result<()> {
        let owner = fstat(&self.fd)?.st_uid;
        if owner == geteuid().as_raw() || owner == 0 {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it belongs to another user",
        ))
    }

    /// A directory in this one, made where it is not there.
    pub(super) fn subdirectory(&self, name: &str) -> io::Result<Self> {
        let mode = self.file_mode.as_raw_mode();
        // Whoever may read files may look into the directory.
        let mode = mode | (mode & 0o444) >> 2;
        match mkdirat(&self.fd, name, Mode::from_raw_mode(mode)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let below = self.existing_subdirectory(name)?;
        if self.exact {
            let _ = fchmod(&below.fd, Mode::from_raw_mode(mode));
        }
        Ok(below)
    }

    /// A directory in this one that is there.
    pub(super) fn existing_subdirectory(&self, name: &str) -> io::Result<Self> {
        let fd = openat(
            &self.fd,
            name,
            OPEN_DIRECTORY | OFlags::NOFOLLOW,
            Mode::empty(),
        )?;
        Ok(Directory {
            fd,
            file_mode: self.file_mode,
            exact: self.exact,
        })
    }

    /// Names in it but `.` and `..`; one that is not UTF-8 is none of ours.
    pub(super) fn names(&self) -> io::Result<impl Iterator<Item = String>> {
        let entries = Dir::read_from(&self.fd)?;
        Ok(entries.filter_map(|entry| {
            let name = entry.ok()?.file_name().to_str().ok()?.to_owned();
            (name != "." && name != "..").then_some(name)
        }))
    }

    /// Whether something of this name is there.
    pub(super) fn has(&self, name: &str) -> bool {
        statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Opens a file to read. What is no regular file is refused, without
    /// waiting for whoever is at its other end.
    pub(super) fn read(&self, name: &str) -> io::Result<RunFile> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = openat(&self.fd, name, flags, Mode::empty()).map_err(|error| match error {
            Errno::LOOP => refused("it is a link"),
            // A socket, or a pipe that nobody reads.
            Errno::NXIO => refused("it is not a regular file"),
            error => error.into(),
        })?;
        RunFile::new(Arc::new(File::from(fd)))
    }

    /// Opens a file to append to and to read, made where it is not there. One
    /// that is there must be a file with one name, and ours.
    pub(super) fn append(&self, name: &str) -> io::Result<File> {
        let flags =
            OFlags::RDWR | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match self.make(name, flags) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
        let file = File::from(openat(&self.fd, name, flags, Mode::empty())?);
        let metadata = file.metadata()?;
        let ours =
            metadata.is_file() && metadata.nlink() == 1 && metadata.uid() == geteuid().as_raw();
        if ours {
            Ok(file)
        } else {
            Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "something else of that name is there, which is not written to",
            ))
        }
    }

    fn make(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::CREATE | OFlags::EXCL;
        let file = File::from(openat(&self.fd, name, flags, self.file_mode)?);
        if self.exact {
            let _ = fchmod(&file, self.file_mode);
        }
        Ok(file)
    }

    /// Writes a file whole or not at all: aside first, under a name that nobody
    /// has, then renamed over whatever is there, which is not looked into. With
    /// `durable` it is on the disk before it takes the name.
    pub(super) fn replace(&self, name: &str, bytes: &[u8], durable: bool) -> io::Result<()> {
        let (mut file, aside) = self.make_aside(name)?;
        let written = file
            .write_all(bytes)
            .and_then(|()| if durable { file.sync_all() } else { Ok(()) })
            .and_then(|()| Ok(renameat(&self.fd, &aside, &self.fd, name)?));
        if let Err(error) = written {
            // It is only in the way; that it cannot be removed matters less
            // than why it could not be written.
            let _ = unlinkat(&self.fd, &aside, AtFlags::empty());
            return Err(error);
        }
        if durable {
            self.sync()?;
        }
        Ok(())
    }

    fn make_aside(&self, name: &str) -> io::Result<(File, String)> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let process = std::process::id();
        for _ in 0..TRIES {
            // Processes of one id, in containers that share the directory, meet
            // here; the kernel lets one of them have the name.
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let aside = format!(".{name}.{process}-{number}.tmp");
            match self.make(&aside, OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|file| (file, aside)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Removes a file; one that is not there is no error.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it was removed, and only who holds it still has it.
    pub(super) fn is_removed(&self) -> bool {
        fstat(&self.fd).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Whether an open file still has this name here.
    pub(super) fn names_file(&self, name: &str, file: &File) -> io::Result<bool> {
        let ours = file.metadata()?;
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) => Ok((there.st_dev, there.st_ino) == (ours.dev(), ours.ino())),
            // A process that gave up its rights may not look any more.
            Err(Errno::ACCESS | Errno::PERM) => Ok(ours.nlink() > 0),
            Err(_) => Ok(false),
        }
    }

    /// Whether nothing of this name is there, for certain.
    pub(super) fn lacks(&self, name: &str) -> bool {
        statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).err() == Some(Errno::NOENT)
    }

    /// Puts the names of its files on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        match fsync(&self.fd) {
            // Some file systems have nothing to do here, and say so.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What it is, on this machine while it runs.
    pub(super) fn identity(&self) -> io::Result<String> {
        let stat = fstat(&self.fd)?;
        Ok(format!("{}:{}", stat.st_dev, stat.st_ino))
    }

    /// Locks it for as long as it is held, for others to see that it is.
    pub(super) fn lock(&self) -> io::Result<()> {
        Ok(flock(&self.fd, FlockOperation::NonBlockingLockExclusive)?)
    }

    /// Whether somebody holds it locked; `None` where that cannot be known.
    pub(super) fn is_locked(&self) -> Option<bool> {
        match flock(&self.fd, FlockOperation::NonBlockingLockShared) {
            Ok(()) => {
                let _ = flock(&self.fd, FlockOperation::Unlock);
                Some(false)
            }
            Err(Errno::WOULDBLOCK) => Some(true),
            Err(_) => None,
        }
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn refused(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "{what}; of a run directory only regular files are read, and no links are followed"
        ),
    )
}

const OPEN_DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// A regular file, read from its beginning whoever else reads or writes it.
#[derive(Debug, Clone)]
pub(crate) struct RunFile {
    file: Arc<File>,
    at: u64,
}

impl RunFile {
    /// # Errors
    ///
    /// It is a directory, a device, a pipe or a socket.
    pub(super) fn new(file: Arc<File>) -> io::Result<Self> {
        if file.metadata()?.is_file() {
            return Ok(RunFile { file, at: 0 });
        }
        Err(refused("it is not a regular file"))
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl Read for RunFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
