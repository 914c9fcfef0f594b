//! `ruminate bundle` from source: how it calls cargo, and how it reports failures. Nothing is compiled: a script with the output
//! of cargo replaces it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use testkit::elf::{Elf, need};
use testkit::{Ran, Scene};

use crate::bundle::{refused, text};

/// Returns a workspace with the Lambda, and this script as cargo.
struct Workshop {
    scene: Scene,
    native: &'static str,
    other: &'static str,
}

impl Workshop {
    fn new(cargo: &str) -> Self {
        let arm = cfg!(target_arch = "aarch64");
        let (native, other) = if arm { ("arm64", "x86_64") } else { ("x86_64", "arm64") };
        let scene = Scene::new();
        fs::create_dir_all(scene.path("tree/lambda/src")).unwrap();
        fs::write(scene.path("tree/Cargo.toml"), "[workspace]\nmembers = ['lambda']\n").unwrap();
        fs::write(scene.path("tree/lambda/Cargo.toml"), "[package]\nname = 'ruminate-lambda'\n").unwrap();
        fs::create_dir(scene.path("bin")).unwrap();
        let path = scene.path("bin").display().to_string();
        let workshop = Self { scene: scene.with("PATH", &path), native, other };
        workshop.program(workshop.native);
        workshop.tool("cargo", cargo);
        workshop
    }

    /// Path of the binary that cargo builds.
    fn program(&self, arch: &str) {
        let elf = if arch == "arm64" { Elf::arm64() } else { Elf::x86_64() };
        fs::write(self.scene.path("built"), elf.bytes()).unwrap();
    }

    fn tool(&self, name: &str, script: &str) -> PathBuf {
        let path = self.scene.path("bin").join(name);
        let home = self.scene.home.path().display();
        fs::write(&path, format!("#!/bin/sh\nhome={home}\n{script}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

/// Records its arguments and prints the output of a successful cargo build.
const BUILDS: &str = r#"
echo "$AWS_LC_SYS_NO_JITTER_ENTROPY $PWD $*" >> "$home/calls"
test "$2" = --help && exit 0
echo "   Compiling ruminate-lambda" >&2
echo "no JSON at all"
echo '{"reason":"compiler-artifact","target":{"kind":["custom-build"],"name":"bootstrap"},"executable":"/no/such"}'
echo '{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"ruminate"},"filenames":[],"executable":null}'
echo '{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"bootstrap"},"executable":"'"$home"'/built","fresh":true}'
echo '{"reason":"build-finished","success":true}'
"#;

#[test]
fn cargo_builds_for_this_machine_from_anywhere_in_the_source() {
    let workshop = Workshop::new(BUILDS);
    let scene = &workshop.scene;
    let inside = |below: &str| {
        let mut command = scene.command(&["bundle", "--output", "json", "--out", "../out"]);
        Ran::of(&command.current_dir(scene.path(below)).output().unwrap())
    };
    let ran = inside("tree/lambda");
    ran.expect(0, &[]);
    assert!(ran.json["arch"] == workshop.native && ran.stdout.lines().count() == 1, "{ran:#?}");
    assert!(ran.stderr.contains("Compiling ruminate-lambda"), "the output of cargo is shown: {ran:#?}");
    let calls = text(scene, "calls");
    let machine = if workshop.native == "arm64" { "aarch64" } else { "x86_64" };
    let flags = format!(
        "tree build --profile lambda -p ruminate-lambda --bin bootstrap --target {machine}-unknown-linux-gnu --locked"
    );
    assert!(calls.starts_with("1 ") && calls.contains(&flags), "{calls}");
    assert!(!calls.contains("--quiet") && calls.lines().count() == 1, "{calls}");
    scene.run(&["bundle", "--source", "tree", "-q"]).expect(0, &[]);
    assert!(text(scene, "calls").contains("--quiet"));
}

#[test]
fn another_processor_and_another_glibc_take_zigbuild() {
    let workshop = Workshop::new(BUILDS);
    let scene = &workshop.scene;
    workshop.program(workshop.other);
    let ran = scene.run(&["bundle", "--source", "tree", "--arch", workshop.other]);
    ran.expect(0, &[]);
    assert_eq!(ran.json["arch"], workshop.other);
    assert!(text(scene, "calls").contains("zigbuild --profile lambda") && text(scene, "calls").contains("-gnu.2.34 "));
    fs::remove_file(scene.path("calls")).unwrap();
    workshop.program(workshop.native);
    scene.run(&["bundle", "--source", "tree", "--zigbuild"]).expect(0, &[]);
    assert!(text(scene, "calls").contains("zigbuild --profile lambda"));
}

#[test]
fn a_build_with_a_newer_glibc_suggests_how_to_build_for_lambda() {
    let workshop = Workshop::new(BUILDS);
    let newer = need("libc.so.6", "GLIBC_2.38", "strlcpy");
    let elf = if workshop.native == "arm64" { Elf::arm64() } else { Elf::x86_64() };
    fs::write(workshop.scene.path("built"), elf.needing(newer).bytes()).unwrap();
    refused(&workshop.scene, &["--source", "tree"], &["strlcpy (GLIBC_2.38", "run again with --zigbuild"]);
}

#[test]
fn a_missing_build_tool_is_reported_with_what_to_install() {
    let workshop = Workshop::new("exit 101");
    let scene = &workshop.scene;
    let other = ["--source", "tree", "--arch", workshop.other];
    refused(scene, &other, &["pip install cargo-zigbuild", "rustup target add", "--bootstrap"]);
    refused(scene, &["--source", "tree"], &["cargo could not build ruminate-lambda", "exit status: 101"]);
    workshop.tool("cargo", BUILDS);
    workshop.tool("rustc", "echo \"$home/no/such/lib\"");
    refused(scene, &other, &["rustup target add"]);
    workshop.tool("rustc", "echo \"$home\"");
    refused(scene, &other, &["is for", "--arch is"]); // the script has built the wrong binary
    workshop.tool("cargo", "echo '{\"reason\":\"build-finished\",\"success\":true}'");
    refused(scene, &["--source", "tree"], &["cargo built no binary bootstrap"]);
    fs::remove_file(workshop.tool("cargo", "")).unwrap();
    refused(scene, &["--source", "tree"], &["cargo is not on the PATH", "--bootstrap FILE"]);
}

#[test]
fn a_build_for_this_machines_own_processor_is_refused() {
    let native = "-C target-cpu=native";
    let target = if cfg!(target_arch = "aarch64") { "AARCH64" } else { "X86_64" };
    let of_target = format!("CARGO_TARGET_{target}_UNKNOWN_LINUX_GNU_RUSTFLAGS");
    for (name, flags) in [
        ("RUSTFLAGS", native),
        ("CARGO_BUILD_RUSTFLAGS", "-Copt-level=3 -Ctarget_cpu=native"),
        ("CARGO_ENCODED_RUSTFLAGS", "-C\u{1f}target-cpu=native"),
        (of_target.as_str(), native),
    ] {
        let mut workshop = Workshop::new(BUILDS);
        workshop.scene = workshop.scene.with(name, flags);
        refused(&workshop.scene, &["--source", "tree"], &[name, "target-cpu=native", "SIGILL"]);
        assert!(!workshop.scene.path("calls").exists(), "cargo was not run");
    }
    let mut workshop = Workshop::new(BUILDS);
    fs::create_dir(workshop.scene.path("tree/.cargo")).unwrap();
    fs::write(workshop.scene.path("tree/.cargo/config.toml"), "[build]\nrustflags = ['-C', 'target-cpu=native']\n")
        .unwrap();
    refused(&workshop.scene, &["--source", "tree"], &["tree/.cargo/config.toml", "target-cpu=native", "RUSTFLAGS="]);
    // Cargo reads no file if the variable is set; the caller chooses other flags.
    workshop.scene = workshop.scene.with("RUSTFLAGS", "-C target-cpu=x86-64-v2");
    workshop.scene.run(&["bundle", "--source", "tree"]).expect(0, &[]);
}

#[test]
fn a_place_without_the_lambdas_source_is_named() {
    let workshop = Workshop::new(BUILDS);
    let scene = &workshop.scene;
    // The folder of the test may be in a checkout, whose source would be found.
    let elsewhere = Ran::of(&scene.command(&["bundle", "--out", "tree/out"]).current_dir("/").output().unwrap());
    assert_eq!(elsewhere.code, Some(2), "{elsewhere:#?}");
    for word in ["source was not found", "--source DIR", "--bootstrap FILE"] {
        assert!(elsewhere.stderr.contains(word), "{elsewhere:#?}");
    }
    refused(scene, &["--source", "bin"], &["--source bin", "ruminate-lambda"]);
    refused(scene, &["--source", "none"], &["--source none"]);
    fs::write(scene.path("tree/lambda/Cargo.toml"), "[package]\nname = 'another'\n").unwrap();
    refused(scene, &["--source", "tree"], &["--source tree"]);
    fs::write(scene.path("tree/lambda/Cargo.toml"), "[package\n").unwrap();
    refused(scene, &["--source", "tree"], &["tree/lambda/Cargo.toml"]);
    assert!(!scene.path("calls").exists(), "cargo was not run");
}

#[test]
fn a_folder_that_cannot_be_written_is_named_before_the_build() {
    let workshop = Workshop::new(BUILDS);
    fs::write(workshop.scene.path("file"), "").unwrap();
    refused(&workshop.scene, &["--source", "tree", "--out", "file"], &["--out file is not a directory"]);
    assert!(!workshop.scene.path("calls").exists(), "cargo was not run");
}

#[test]
fn who_stops_ends_cargo_too_and_gets_no_folder() {
    let workshop = Workshop::new("echo $$ > \"$home/calls\"\nexec /bin/sleep 600");
    let scene = &workshop.scene;
    for signal in ["-INT", "-TERM"] {
        let child = scene.start(&["bundle", "--source", "tree", "--output", "json"]);
        let started = Instant::now();
        let cargo = loop {
            match fs::read_to_string(scene.path("calls")) {
                Ok(id) if id.ends_with('\n') => break id.trim_end().to_owned(),
                _ => assert!(started.elapsed() < Duration::from_secs(20), "cargo was never started"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let ran = Ran::of(&child.wait_with_output().unwrap());
        ran.expect(3, &[]);
        assert_eq!(ran.json["stopped"], "interrupted");
        assert!(!Path::new("/proc").join(cargo).exists(), "cargo has ended");
        assert!(!scene.path("bundle").exists() && started.elapsed() < Duration::from_secs(60));
        fs::remove_file(scene.path("calls")).unwrap();
    }
}
