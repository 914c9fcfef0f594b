//! Documentation pages: every command and flag that they mention exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::reference::repository;

/// Flags of other programs that the pages call: AWS CLI, SAM, cargo, the test servers, shell tools.
const OTHERS: &str = "--all-targets --arch --architectures --bin --bins --bucket --capabilities --check --example --examples --features --include-ignored \
    --function-name --guided --lib --links --locked --notification-endpoint --no-fail-fast --output-template-file --package --parameter-overrides \
    --path --port --protocol --query --region --release --resolve-s3 --s3-bucket --stack-name --subscribe --template-file --test \
    --topic-arn --workspace --zip-file --init-command --secret-id --array-properties --depends-on --job-definition --job-name \
    --job-queue --parameters --for --from-literal --platform --push --timeout --array --dependency --export --parsable --requeue \
    --signal --wrap --input --state-machine-arn --json --no-deps --latency-ms --slow-down --throttle-per-second --any-credentials --open --doc --long \
    --stores --readings --program --keys --moments --jobs --lakes --mail-type --mail-user --ignore-not-found --repository-name --username \
    --password-stdin --name --secret-string --attribute-name --attribute-value --list --short --nocapture --minutes";

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> = [
        "README.md",
        "README.pt-BR.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "samples/README.md",
        "src/bundle/deploy.md.j2",
    ]
    .map(repository)
    .to_vec();
    markdown(&repository("docs"), &mut pages);
    pages
}

fn markdown(dir: &Path, pages: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            markdown(&path, pages);
        } else if path.extension().is_some_and(|ending| ending == "md") && !path.ends_with("decisions.md") {
            pages.push(path);
        }
    }
}

/// Returns the code on a page, line by line.
fn code(page: &str) -> Vec<String> {
    let (mut lines, mut fenced) = (Vec::new(), false);
    for line in page.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            lines.push(line.to_owned());
        } else {
            lines.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    lines
}

#[test]
fn every_flag_and_command_that_the_pages_name_exists() {
    let root = ruminate::cli::command();
    let commands: BTreeSet<_> = root.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let jobs = root.get_subcommands().flat_map(clap::Command::get_subcommands);
    let arguments = root.get_subcommands().chain(jobs).chain([&root]).flat_map(clap::Command::get_arguments);
    let mut flags: BTreeSet<_> = arguments.filter_map(|arg| arg.get_long()).map(|long| format!("--{long}")).collect();
    flags.extend(["--help".to_owned(), "--version".to_owned()]);
    flags.extend(OTHERS.split_whitespace().map(str::to_owned));
    let mut wrong = BTreeSet::new();
    for path in pages() {
        let name = path.strip_prefix(repository("")).unwrap().display().to_string();
        for line in code(&fs::read_to_string(&path).unwrap()) {
            let words: Vec<_> = line.split(|c: char| c.is_whitespace() || "=|()[]{}'\",;".contains(c)).collect();
            let named = words.iter().filter(|word| word.len() > 2 && word.starts_with("--"));
            wrong.extend(named.filter(|flag| !flags.contains(**flag)).map(|flag| format!("{name}: no flag {flag}")));
            for pair in words.windows(2).filter(|pair| pair[0] == "ruminate") {
                let is_word = !pair[1].is_empty() && pair[1].bytes().all(|byte| byte.is_ascii_lowercase());
                if is_word && !commands.contains(pair[1]) {
                    wrong.insert(format!("{name}: no command {}", pair[1]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_glossary_is_the_same_in_the_docs_and_in_the_code() {
    let table = |text: &str, prefix: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.strip_prefix(prefix).unwrap_or(line));
        let rows = lines.skip_while(|line| !line.starts_with("| term |")).take_while(|line| line.starts_with('|'));
        rows.map(str::to_owned).collect()
    };
    let page = table(&fs::read_to_string(repository("docs/reference/glossary.md")).unwrap(), "");
    let code = table(&fs::read_to_string(repository("src/lib.rs")).unwrap(), "//! ");
    assert_eq!(page, code);
    assert!((10..=27).contains(&page.len()), "at most 25 terms");
}
