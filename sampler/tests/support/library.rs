//! Libraries that are built and loaded by a test.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

/// Compiles a shared library; `compiler` is `cc` or `c++`.
pub fn build(compiler: &str, source: &str, library: &Path, flags: &[&str]) {
    let directory = library.parent().expect("a library is in a directory");
    let extension = if compiler == "cc" { "c" } else { "cc" };
    let file = directory.join(format!("source.{extension}"));
    std::fs::write(&file, source).expect("the source is written");
    let built = Command::new(compiler)
        .args(["-O1", "-fPIC", "-shared", "-o"])
        .arg(library)
        .arg(&file)
        .args(flags)
        .status()
        .unwrap_or_else(|error| panic!("this test needs a C compiler: {compiler}: {error}"));
    assert!(built.success(), "{compiler} builds {}", library.display());
}

/// A function of a loaded library.
#[derive(Clone, Copy)]
pub struct Function(extern "C" fn(i64) -> i64);

impl Function {
    /// Loads a library for good and finds its function of this name.
    pub fn load(library: &Path, name: &str) -> Function {
        let path = CString::new(library.as_os_str().as_bytes()).expect("no zero in it");
        let name = CString::new(name).expect("no zero in it");
        // SAFETY: the libraries of these tests run nothing when loaded, stay
        // loaded, and their functions have this signature.
        unsafe {
            let handle = libc::dlopen(path.as_ptr(), libc::RTLD_NOW);
            assert!(!handle.is_null(), "{} is loaded", library.display());
            let found = libc::dlsym(handle, name.as_ptr());
            assert!(!found.is_null(), "{name:?} is in it");
            Function(std::mem::transmute::<
                *mut libc::c_void,
                extern "C" fn(i64) -> i64,
            >(found))
        }
    }

    /// Where its code is.
    pub fn address(self) -> u64 {
        self.0 as usize as u64
    }

    /// Calls it until it has used so much of this thread's CPU time.
    pub fn burn(self, seconds: f64) {
        let end = super::thread_cpu() + std::time::Duration::from_secs_f64(seconds);
        while super::thread_cpu() < end {
            std::hint::black_box((self.0)(100_000));
        }
    }
}

/// A new directory for a test.
pub fn directory(name: &str) -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix(&format!("sampler-{name}-"))
        .tempdir()
        .expect("a temporary directory can be made")
}
