//! Tests of the config file.

use super::*;

fn joined(config: &Config, command: &str, flag: &str) -> Option<String> {
    config.value(command, flag).map(|values| values.join(","))
}

#[test]
fn a_section_wins_over_the_top_and_a_profile_over_the_rest_of_the_file() {
    let text = "
        lake = 'top'
        farm = ['x', 'y']
        concurrency = 8
        [replay]
        concurrency = 64
        lake = 'replay'
        [profile.prod]
        lake = 'prod'
        meta_rate = 0.018
        [profile.prod.replay]
        concurrency = 16
    ";
    let base = Config::parse(text, None).unwrap();
    let prod = Config::parse(text, Some("prod")).unwrap();
    for (config, command, flag, value) in [
        (&base, "replay", "lake", Some("replay")),
        (&base, "reconcile", "lake", Some("top")),
        (&base, "replay", "concurrency", Some("64")),
        (&base, "publish", "concurrency", Some("8")),
        (&base, "reconcile", "farm", Some("x,y")),
        (&base, "reconcile", "meta-rate", None),
        (&prod, "replay", "lake", Some("prod")),
        (&prod, "replay", "concurrency", Some("16")),
        (&prod, "publish", "concurrency", Some("8")),
        (&prod, "reconcile", "meta-rate", Some("0.018")),
    ] {
        assert_eq!(joined(config, command, flag).as_deref(), value, "{command} {flag}");
    }
    assert!(Config::parse(text, Some("none")).unwrap_err().contains("no [profile.none]"));
}

#[test]
fn an_unknown_key_names_the_nearest_flag_and_the_commands_that_have_it() {
    for (text, words) in [
        ("lakke = 'x'", &["unknown key lakke", "did you mean lake?", "--lake of", "replay"][..]),
        ("[replay]\nconcurency = 1", &["concurency in [replay]", "did you mean concurrency?"]),
        ("[replay]\nmax_drift = 1", &["max_drift in [replay]", "--max-drift is a flag of reconcile"]),
        ("outptu = 'json'", &["did you mean output? (--output of every command)"]),
        ("[replays]\nlake = 'x'", &["unknown section [replays]: did you mean [replay]?"]),
        ("[reconcil]\nlake = 'x'", &["did you mean [reconcile]?"]),
        ("[zzz]\nlake = 'x'", &["unknown section [zzz]: sections are [profile.NAME] and a command: demo"]),
        ("lake = ../lake", &["text needs quotes: lake = \"../lake\""]),
        ("farm = 'a'\nlake = s3://bucket/x", &["text needs quotes: lake = \"s3://bucket/x\""]),
        ("zzz = 1", &["unknown key zzz: it is neither a flag nor a command", "replay"]),
        ("[lake]\nx = 1", &["lake is a flag, not a section"]),
        ("profile = 'x'", &["write [profile.NAME]"]),
        ("[profile.other]\nlakke = 'x'", &["unknown key lakke"]),
        ("[reconcile]\nshards = 4", &["shards in [reconcile]", "--shards is a flag of plan"]),
        ("[profile.other.replay]\nmax_drift = 1", &["a flag of reconcile"]),
        ("help = true", &["help: --help cannot be set in a config file"]),
        ("verbose = 2", &["--verbose cannot be set"]),
        ("[replay]\nconfig = 'x'", &["config in [replay]: --config cannot be set"]),
        ("farm = [{ a = 'x' }]", &["farm: a list has texts or numbers only"]),
        ("farm = [['x']]", &["farm: a list has texts or numbers only"]),
        ("farm = []", &["farm is an empty list: remove the key"]),
        ("warehouse = ['sqlite:a', 'sqlite:b']", &["warehouse is a list, and --warehouse has one value"]),
        ("[replay]\nfrom = ['2026-01-01', '2026-01-02']", &["from in [replay] is a list"]),
        ("[profile]\nfrom = '2026-01-01'", &["profile.from is not a table: write [profile.NAME]"]),
        ("yes = true", &["--yes is accepted on the command line only"]),
        ("[reconcile]\nrepair = 'both'", &["repair in [reconcile]", "command line only"]),
        ("undo = 'x'", &["ruminate undo FILE"]),
    ] {
        let e = Config::parse(text, None).unwrap_err();
        assert!(words.iter().all(|word| e.contains(word)), "{text}: {e}");
    }
}

#[test]
fn flags_that_change_data_are_taken_from_no_variable() {
    for flag in TYPED_ONLY {
        let e = refuse_variables(|name| name == variable(flag)).unwrap_err().to_string();
        assert!(e.contains(&format!("--{flag} is accepted on the command line only")), "{e}");
    }
    refuse_variables(|_| false).unwrap();
}

#[test]
fn a_typed_flag_wins_over_its_alternatives_in_the_file() {
    let config = Config::parse("rate = '5/s'\n[publish]\nfarm = 'x'", None);
    assert!(config.is_err(), "publish has no --farm");
    let config = Config::parse("rate = '5/s'", None).unwrap();
    let args = ["ruminate", "publish", "x", "--topic", "local", "--stages", "hold:5/s:1s"];
    let (_, line) = crate::cli::parse_from(&args, &config).unwrap();
    assert_eq!(line.to_string(), "ruminate publish x --stages hold:5/s:1s --topic local");
}

#[test]
fn the_plan_of_a_job_has_the_values_of_its_section_and_of_the_job_s() {
    let text = "lake = 'top'\n[reconcile]\nlake = 'l'\nquick = true\n[replay]\nverify = true\n[plan]\nshards = 4";
    let config = Config::parse(text, None).unwrap();
    let line = |job: &str| {
        let args = ["ruminate", "plan", job, "--out", "run"];
        crate::cli::parse_from(&args, &config).unwrap().1.to_string()
    };
    assert_eq!(line("reconcile"), "ruminate plan reconcile --lake l --quick --shards 4 --out run");
    assert_eq!(line("replay"), "ruminate plan replay --lake top --verify --shards 4 --out run");
}

#[test]
fn the_command_line_is_sound_with_and_without_a_file() {
    let command = crate::cli::command();
    command.clone().debug_assert();
    let typed = Typed::new(&command, &["ruminate".into()]);
    let config = Config::parse("lake = 'a'\noutput = 'json'\nno-progress = true", None).unwrap();
    config.apply(command, &typed).debug_assert();
}

/// Switches that change no data and switch no check off: a variable or a file may set them.
const HARMLESS: [&str; 19] = [
    "deep",
    "dry-run",
    "fanout",
    "fsync",
    "keep",
    "no-journal",
    "no-progress",
    "quick",
    "quiet",
    "read-only",
    "require-conditional-writes",
    "resume",
    "send-invalid",
    "stop-at-schedule-end",
    "verbose",
    "verify",
    "watch",
    "without-bodies",
    "zigbuild",
];

/// Parts of the names of flags that destroy, or that accept what a check rejects.
const DANGEROUS: [&str; 11] =
    ["allow", "any-", "delete", "destroy", "force", "insecure", "no-verify", "overwrite", "repair", "trust", "unsafe"];

/// A new flag of any command is found here until it is listed in `TYPED_ONLY` or in `HARMLESS`.
#[test]
fn a_flag_of_any_command_that_destroys_or_switches_a_check_off_has_no_variable_and_no_key() {
    let root = crate::cli::command();
    let mut all = crate::cli::help::commands(&root);
    all.push((String::new(), root.clone()));
    let mut seen = Vec::new();
    for (name, command) in &all {
        for arg in command.get_arguments().filter(|arg| !["help", "version"].contains(&arg.get_id().as_str())) {
            let Some(flag) = arg.get_long() else { continue };
            let is_switch = !arg.get_action().takes_values();
            let is_dangerous = DANGEROUS.iter().any(|part| flag.contains(part)) && flag != "max-repairs";
            let must_be_typed = is_dangerous || is_switch && !HARMLESS.contains(&flag);
            assert!(!must_be_typed || TYPED_ONLY.contains(&flag), "{name} --{flag} is in no list");
            if !TYPED_ONLY.contains(&flag) {
                continue;
            }
            seen.push(flag);
            assert!(arg.get_env().is_none(), "{name} --{flag}");
            let key = flag.replace('-', "_");
            let section = name.split(' ').next().filter(|section| !section.is_empty()).unwrap_or("replay");
            for text in [
                format!("{key} = true"),
                format!("{flag} = true"),
                format!("[{section}]\n{key} = 'x'"),
                format!("[profile.other]\n{key} = true"),
                format!("[profile.other.{section}]\n{key} = true"),
            ] {
                let e = Config::parse(&text, None).unwrap_err();
                assert!(e.contains("accepted on the command line only"), "{text}: {e}");
            }
        }
    }
    assert!(TYPED_ONLY.iter().all(|flag| seen.contains(flag)), "{seen:?}");
    assert!(HARMLESS.iter().all(|flag| !TYPED_ONLY.contains(flag)));
}

#[test]
fn deep_nesting_is_rejected_before_the_parser_recurses() {
    for nested in ["{a = ".repeat(20_000), "[".repeat(20_000), "{".repeat(20_000), "{a={\n".repeat(20_000)] {
        let e = Config::parse(&format!("rate = {nested}"), None).unwrap_err();
        assert!(e.contains("nested more than 64 levels"), "{e}");
    }
    assert!(Config::parse("[replay]\nfarm = ['x', '[[', 'y']", None).is_ok());
}
