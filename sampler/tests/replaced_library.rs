//! A library that is replaced on disk while it is mapped gives its own names or
//! none, never those of what has its name now. And C++ has names for people.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use soakscope_sampler::{Clock, CpuSampler, Detail, Symbolizer};
use support::library::{Function, build, directory};
use support::{child, role};

const MAPPED: &str = "\
    __attribute__((noinline)) static long aaa_inner(long n) {\n\
      volatile long sum = 0; for (long i = 0; i < n; i++) sum += i; return sum; }\n\
    __attribute__((noinline)) long aaa_outer(long n) { return aaa_inner(n) + 1; }\n\
    long aaa_entry(long n) { return aaa_outer(n) + 2; }\n";

/// Other functions over the same addresses and more.
const OTHER: &str = "\
    #define F(name) __attribute__((noinline)) long name(long n) {\\\n\
      volatile long s = n; for (int i = 0; i < 9; i++) s += s * i; return s; }\n\
    F(bbb_1) F(bbb_2) F(bbb_3) F(bbb_4) F(bbb_5) F(bbb_6) F(bbb_7) F(bbb_8)\n\
    long bbb_entry(long n) { return bbb_1(n) + bbb_8(n); }\n";

/// What was mapped, and how its names come out.
struct Profiled {
    /// Samples by the innermost name, of those in the library.
    innermost: BTreeMap<String, u64>,
    /// Samples by any name of their stack.
    anywhere: BTreeMap<String, u64>,
    /// Samples in the library.
    total: u64,
    /// The library's module.
    module: String,
}

impl Profiled {
    fn assert_no_wrong_name(&self) {
        for name in self.innermost.keys().chain(self.anywhere.keys()) {
            assert!(!name.starts_with("bbb"), "{name} was never mapped");
        }
        assert!(self.total >= 10, "only {} samples", self.total);
    }

    fn share(&self, names: &BTreeMap<String, u64>, name: &str) -> f64 {
        names.get(name).copied().unwrap_or(0) as f64 / self.total as f64
    }
}

/// Burns in a library, replaces it, and resolves what was sampled.
fn profile(library: &Path, entry: &str, replace: impl FnOnce()) -> Profiled {
    let function = Function::load(library, entry);
    let sampler = CpuSampler::builder()
        .clock(Clock::Timer)
        .frequency(499)
        .start()
        .expect("timers are to be had");
    function.burn(0.5);
    let mapped = mapping_of(function_address(library, entry));
    let window = sampler.stop().expect("it stops");
    replace();
    let mut symbols = Symbolizer::new().expect("maps are readable");
    let mut profiled = Profiled {
        innermost: BTreeMap::new(),
        anywhere: BTreeMap::new(),
        total: 0,
        module: String::new(),
    };
    for sample in &window.samples {
        let Some(first) = sample.stack.first().filter(|pc| mapped.contains(pc)) else {
            continue;
        };
        profiled.total += sample.count;
        let module = symbols.resolve(*first, Detail::Names).module;
        profiled.module = symbols.modules()[module.expect("it is mapped")]
            .path
            .clone();
        let innermost = symbols.resolve(*first, Detail::Lines).frames;
        let innermost = innermost.first().map_or("", |frame| &frame.name);
        *profiled.innermost.entry(innermost.to_owned()).or_default() += sample.count;
        for pc in &sample.stack {
            for frame in symbols.resolve(*pc, Detail::Names).frames {
                *profiled.anywhere.entry(frame.name).or_default() += sample.count;
            }
        }
    }
    eprintln!(
        "{}: {} samples, {:?}",
        profiled.module, profiled.total, profiled.innermost
    );
    profiled
}

fn function_address(library: &Path, name: &str) -> u64 {
    Function::load(library, name).address()
}

/// The executable mapping that an address is in.
fn mapping_of(address: u64) -> std::ops::Range<u64> {
    let symbols = Symbolizer::new().expect("maps are readable");
    let module = symbols.modules().iter().find(|m| m.contains(address));
    module.map(|m| m.start..m.end).expect("it is mapped")
}

/// Whether the kernel lets this process open what it has mapped.
fn may_open_mapped_files() -> bool {
    fs::read_dir("/proc/self/map_files")
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| fs::File::open(entry.path()).is_ok())
}

/// Runs this test as a child in the role `wanted`; in the child, its directory.
/// Each library is loaded in a process of its own that leaves without running
/// its code again.
fn as_child(test: &str, wanted: &str) -> Option<PathBuf> {
    if let Some(role) = role() {
        let (role, directory) = role.split_once('@')?;
        return (role == wanted).then(|| directory.into());
    }
    // One that nobody can read, too.
    let directory = directory("replaced");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("its owner");
    let output = child(test, &format!("{wanted}@{}", directory.path().display()));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{wanted}: {output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("checked"), "{wanted}: {said}");
    None
}

fn leave() -> ! {
    println!("checked");
    // SAFETY: ends the process without running anything of it again, such as
    // the destructors of a library that was written over.
    unsafe { libc::_exit(0) }
}

/// Gives up the rights that open `/proc/self/map_files`.
fn become_nobody() {
    // SAFETY: plain system calls; a test's child has nothing that depends on
    // its user. Without the last one /proc/self belongs to root.
    unsafe {
        if libc::geteuid() == 0 {
            assert_eq!(libc::setgid(65_534), 0);
            assert_eq!(libc::setuid(65_534), 0);
            assert_eq!(libc::prctl(libc::PR_SET_DUMPABLE, 1), 0);
        }
    }
}

const NO_ID: &[&str] = &["-Wl,--build-id=none"];
const ID: &[&str] = &["-Wl,--build-id"];

#[test]
fn a_file_renamed_over_it_gives_it_no_name() {
    let test = "a_file_renamed_over_it_gives_it_no_name";
    for (case, flags) in [("id", ID), ("no id", NO_ID)] {
        for user in ["same user", "nobody", "undumpable"] {
            let Some(directory) = as_child(test, &format!("{case}, {user}")) else {
                continue;
            };
            let library = directory.join("libshop.so");
            let other = directory.join("other.so");
            build("cc", MAPPED, &library, flags);
            build("cc", OTHER, &other, flags);
            let profiled = profile(&library, "aaa_entry", || {
                fs::rename(&other, &library).expect("replaced");
                match user {
                    "nobody" => become_nobody(),
                    "undumpable" => {
                        // SAFETY: only changes who owns /proc/self.
                        unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0) };
                    }
                    _ => {}
                }
            });
            profiled.assert_no_wrong_name();
            // What is exported has its name in any case.
            let outer = profiled.share(&profiled.anywhere, "aaa_outer");
            assert!(outer >= 0.9, "{outer}");
            if may_open_mapped_files() {
                let inner = profiled.share(&profiled.innermost, "aaa_inner");
                assert!(inner >= 0.9, "{inner}");
            }
            assert!(profiled.module.ends_with("/libshop.so"));
            leave();
        }
    }
}

#[test]
fn a_twin_of_the_same_layout_gives_it_no_name() {
    let Some(directory) = as_child("a_twin_of_the_same_layout_gives_it_no_name", "twin") else {
        return;
    };
    let library = directory.join("libshop.so");
    let other = directory.join("other.so");
    build("cc", MAPPED, &library, NO_ID);
    build("cc", &MAPPED.replace("aaa", "bbb"), &other, NO_ID);
    let profiled = profile(&library, "aaa_entry", || {
        fs::rename(&other, &library).expect("replaced");
        become_nobody();
    });
    profiled.assert_no_wrong_name();
    assert!(profiled.share(&profiled.anywhere, "aaa_outer") >= 0.9);
    leave();
}

#[test]
fn a_file_that_is_written_over_gives_no_names() {
    let test = "a_file_that_is_written_over_gives_no_names";
    for case in ["other", "twin", "cut short", "damaged"] {
        let Some(directory) = as_child(test, case) else {
            continue;
        };
        let library = directory.join("libshop.so");
        let other = directory.join("other.so");
        build("cc", MAPPED, &library, NO_ID);
        let twin = MAPPED.replace("aaa", "bbb");
        let source = if case == "other" { OTHER } else { &twin };
        build("cc", source, &other, NO_ID);
        let bytes = fs::read(&other).expect("read");
        let profiled = profile(&library, "aaa_entry", || {
            let bytes = match case {
                "cut short" => &[][..],
                "damaged" => &b"no library"[..],
                _ => &bytes[..],
            };
            fs::write(&library, bytes).expect("written over");
        });
        profiled.assert_no_wrong_name();
        assert_eq!(profiled.module, "[replaced libshop.so]");
        leave();
    }
}

#[test]
fn the_same_library_installed_again_keeps_its_names() {
    let test = "the_same_library_installed_again_keeps_its_names";
    for case in ["renamed over", "written over", "deleted", "moved"] {
        let Some(directory) = as_child(test, case) else {
            continue;
        };
        let library = directory.join("libshop.so");
        let copy = directory.join("copy.so");
        build("cc", MAPPED, &library, ID);
        fs::copy(&library, &copy).expect("copied");
        let profiled = profile(&library, "aaa_entry", || {
            match case {
                "renamed over" => fs::rename(&copy, &library).expect("renamed"),
                "written over" => {
                    let bytes = fs::read(&copy).expect("read");
                    fs::write(&library, bytes).expect("written");
                }
                "moved" => fs::rename(&library, directory.join("x.so")).expect("moved"),
                _ => fs::remove_file(&library).expect("deleted"),
            }
            become_nobody();
        });
        profiled.assert_no_wrong_name();
        assert!(profiled.share(&profiled.anywhere, "aaa_outer") >= 0.9);
        if case != "deleted" {
            assert!(profiled.share(&profiled.innermost, "aaa_inner") >= 0.9);
        }
        leave();
    }
}

#[test]
fn functions_of_cpp_have_the_names_of_their_source() {
    let Some(directory) = as_child("functions_of_cpp_have_the_names_of_their_source", "cpp") else {
        return;
    };
    let library = directory.join("libshop.so");
    let source = "\
        namespace shop { template <typename T> struct Cart {\n\
          __attribute__((noinline)) T add(T n) {\n\
            volatile T sum = 0; for (T i = 0; i < n; i++) sum = sum + i; return sum; } };\n\
        template struct Cart<long>; }\n\
        extern \"C\" long cpp_entry(long n) { shop::Cart<long> cart; return cart.add(n) + 1; }\n";
    build("c++", source, &library, &["-nostdlib", "-g"]);
    let profiled = profile(&library, "cpp_entry", || ());
    let name = "shop::Cart<long>::add(long)";
    assert!(profiled.share(&profiled.innermost, name) >= 0.9);
    leave();
}
