//! Precedence of flag values: command line, environment, config file, default.

use testkit::{Scene, real_files, with_real};

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let scene = Scene::new();
    let write = |text: &str| std::fs::write(scene.path("ruminate.toml"), text).unwrap();
    write("lake = 'from-file'\nwarehouse = 'sqlite:file.db'\n[profile.other]\nlake = 'from-profile'\n");
    let files = real_files();
    let backfill = [&with_real("backfill", &files)[..], &["--allow-empty"]].concat();
    scene.run(&["init"]).expect(0, &[]);
    assert!(scene.path("file.db").exists());
    let made = |name: &str| scene.path(name).is_dir();
    scene.run(&backfill).expect(0, &[("written", 52)]);
    assert!(made("from-file"));
    let profile = [&["--profile", "other"], &backfill[..]].concat();
    scene.run(&profile).expect(1, &[("written", 52), ("conflicting", 52)]);
    assert!(made("from-profile"));
    let scene = scene.with("RUMINATE_LAKE", "from-environment");
    // The same warehouse, another lake: its objects have another processing time than the rows.
    scene.run(&backfill).expect(1, &[("written", 52), ("conflicting", 52)]);
    assert!(scene.path("from-environment").is_dir());
    let flag = [&backfill[..], &["--lake", "from-flag"]].concat();
    scene.run(&flag).expect(1, &[("written", 52)]);
    assert!(scene.path("from-flag").is_dir());
}

#[test]
fn an_invalid_config_file_is_named() {
    let scene = Scene::embedded();
    for (text, word) in [
        ("lakke = 'x'", "unknown key lakke: did you mean lake?"),
        ("lake = ", "ruminate.toml"),
        ("[lake]\nx = 1", "lake is a flag, not a section"),
        ("attempts = 3", "attempts is now max_attempts"),
        ("yes = true", "command line only"),
    ] {
        std::fs::write(scene.path("ruminate.toml"), text).unwrap();
        let ran = scene.run(&["init"]);
        assert!(ran.code == Some(2) && ran.stderr.contains(word), "{ran:?}");
    }
    let ran = scene.run(&["--config", "none.toml", "init"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("none.toml"), "{ran:?}");
}

#[test]
fn the_legacy_lambdas_variables_name_the_warehouse() {
    let scene = Scene::new().with("RUMINATE_LAKE", ".").with("RDS_HOST", "127.0.0.1").with("RDS_PORT", "1");
    let ran = scene.with("RDS_PASSWORD", "segredo").with("RDS_USER", "ana").run(&["replay"]);
    assert!(ran.stderr.contains("mysql://ana:***@127.0.0.1:1/fazendas"), "{ran:?}");
    let scene = Scene::new().with("RUMINATE_LAKE", ".").with("DATABASE_URL", "sqlite:x.db");
    scene.run(&["init"]).expect(0, &[]);
}

#[test]
fn a_section_of_the_file_is_for_its_command_only() {
    let scene = Scene::new();
    let text = "lake = 'lake'\nwarehouse = 'sqlite:w.db'\n[init]\nwarehouse = 'sqlite:init.db'\n";
    std::fs::write(scene.path("ruminate.toml"), text).unwrap();
    scene.run(&["init"]).expect(0, &[]);
    assert!(scene.path("init.db").exists() && !scene.path("w.db").exists());
    let ran = scene.run(&["replay"]);
    assert!(ran.stderr.contains("there is no file w.db"), "{ran:?}");
}

#[test]
fn a_variable_that_would_change_data_or_was_renamed_is_rejected() {
    for (name, expected) in [
        ("RUMINATE_REPAIR", "--repair is accepted on the command line only"),
        ("RUMINATE_YES", "--yes is accepted on the command line only"),
        ("RUMINATE_ATTEMPTS", "RUMINATE_ATTEMPTS is now RUMINATE_MAX_ATTEMPTS"),
        ("RUMINATE_UNDO", "ruminate undo FILE"),
    ] {
        let ran = Scene::embedded().with(name, "1").run(&["reconcile"]);
        assert!(ran.code == Some(2) && ran.stderr.contains(expected), "{ran:?}");
    }
}

#[test]
#[cfg(unix)]
fn a_config_file_that_others_can_write_is_rejected_unless_it_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::embedded();
    let path = scene.path("ruminate.toml");
    std::fs::write(&path, "table = 'outra'\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let ran = scene.run(&["init"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("others can write to it (mode 666)"), "{ran:?}");
    assert!(ran.stderr.contains("chmod go-w ruminate.toml") && ran.stderr.contains("--config"), "{ran:?}");
    scene.run(&["init", "--config", "ruminate.toml"]).expect(0, &[]);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    scene.run(&["init"]).expect(0, &[]);
}

#[test]
fn flags_that_destroy_or_switch_a_check_off_are_accepted_from_the_command_line_only() {
    let flags = [
        "repair",
        "trust",
        "on-conflict",
        "into-new-table",
        "drop-deleted",
        "force",
        "yes",
        "allow-empty",
        "any-topic",
        "insecure-skip-signature",
    ];
    for flag in flags {
        let variable = format!("RUMINATE_{}", flag.to_uppercase().replace('-', "_"));
        let scene = Scene::embedded().with(&variable, "true");
        let ran = scene.run(&["init"]);
        assert!(
            ran.code == Some(2) && ran.stderr.contains(&variable) && ran.stderr.contains("command line only"),
            "{ran:?}"
        );
        for text in [format!("{} = 'both'", flag.replace('-', "_")), format!("[profile.x.replay]\n{flag} = true")] {
            let scene = Scene::embedded();
            std::fs::write(scene.path("ruminate.toml"), &text).unwrap();
            let ran = scene.run(&["init"]);
            assert!(ran.code == Some(2) && ran.stderr.contains("command line only"), "{text}: {ran:?}");
        }
    }
}

#[test]
fn a_found_config_file_cannot_turn_off_the_verification_of_a_server() {
    let scene = Scene::new().with("RUMINATE_LAKE", ".");
    let text = "warehouse = 'mysql://ana:segredo@0.0.0.0:1/fazendas?ssl-mode=REQUIRED'\n";
    std::fs::write(scene.path("ruminate.toml"), text).unwrap();
    let ran = scene.run(&["replay"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for word in ["warehouse: ssl-mode=REQUIRED does not verify the server", "--config"] {
        assert!(ran.stderr.contains(word), "{ran:?}");
    }
    assert!(!ran.stderr.contains("segredo"), "{ran:?}");
    let named = scene.run(&["replay", "--config", "ruminate.toml", "--connect-timeout", "1s"]);
    assert!(named.code == Some(2) && !named.stderr.contains("does not verify"), "{named:?}");
}
