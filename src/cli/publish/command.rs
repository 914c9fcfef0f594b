//! The run as a command for a shell: with it, it runs as it did.

use super::super::spelled::{Spelled, time};
use super::{Args, LINGER, WATCH_FOR};
use crate::topic::address::Address;

impl Args {
    /// The command; settings from the environment and the file are spelled out, secrets are not. Without what goes on with an
    /// earlier run, and without the reports: it begins anew.
    pub(super) fn command(&self, address: &Address) -> anyhow::Result<String> {
        let mut command = Spelled::new("publish");
        for file in &self.files {
            command.word(file.display());
        }
        let (pace, topic) = (&self.pace, &self.topic);
        command.maybe("generate", self.generate.as_ref()).maybe("format", self.format);
        command.maybe("rate", pace.rate).maybe("stages", pace.stages.as_ref()).maybe("speed", pace.speed);
        command.switch("stop-at-schedule-end", pace.stop_at_schedule_end);
        command.maybe("concurrency", pace.concurrency).other("linger", &*time(pace.linger), LINGER);
        command.maybe("drop-after", pace.drop_after);
        command.maybe("dead-letters", self.dead_letters.as_ref().map(|path| path.display()));
        command.flag("topic", address);
        if *address == Address::Local {
            command.maybe("lake", topic.lake.as_ref()).rules(topic.rules.rules());
            command.switch("require-conditional-writes", topic.writes.require_conditional_writes);
        }
        if self.watch.watch || *address == Address::Local {
            command.warehouse(&topic.warehouse)?;
        }
        command.switch("send-invalid", self.send_invalid).switch("watch", self.watch.watch);
        command.other("watch-for", &*time(self.watch.watch_for), WATCH_FOR);
        command.maybe("truth", self.watch.truth.as_ref().map(|path| path.display()));
        command.maybe("fail-if", self.fail_if.as_ref());
        Ok(command.to_string())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Flags {
        #[command(flatten)]
        args: Args,
    }

    /// Flags that go on with an earlier run, agree to this one, or tell of it.
    const LEFT_OUT: [&str; 7] = ["skip", "resume", "journal", "yes", "report", "hdr", "help"];

    fn spelled(words: &[&str]) -> (String, Args) {
        let Flags { args } = Flags::parse_from([&["publish"], words].concat());
        (args.command(&args.topic.address().unwrap()).unwrap(), args)
    }

    #[test]
    fn every_flag_that_changes_the_run_is_spelled_and_read_back() {
        let files = [
            &["in a.json", "b.csv", "--format", "csv", "--rate", "500/s", "--concurrency", "7"][..],
            &[
                "--linger",
                "1.5s",
                "--drop-after",
                "never",
                "--dead-letters",
                "dead",
                "--topic",
                "local",
                "--lake",
                "dir",
                "--require-conditional-writes",
            ],
            &[
                "--warehouse",
                "sqlite:w.db",
                "--table",
                "t",
                "--connections",
                "3",
                "--meta-rate",
                "0.03",
                "--send-invalid",
            ],
            &["--watch", "--watch-for", "5m", "--truth", "t.gz", "--fail-if", "p99 > 5s; failed > 0"],
        ]
        .concat();
        let spec = [
            "--generate",
            "farms=2,late=0.1",
            "--stages",
            "hold:5/s:1s",
            "--stop-at-schedule-end",
            "--topic",
            "local",
            "--warehouse",
            "sqlite:w",
        ];
        let speed = ["-", "--speed", "60x", "--topic", "arn:aws:sns:us-east-1:123456789012:t"];
        let mut all = String::new();
        for words in [&files[..], &spec, &speed] {
            let (first, _) = spelled(words);
            let again = shlex(&first);
            let (second, _) = spelled(&again[2..].iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(first, second);
            all += &first;
        }
        let flags = <Args as clap::Args>::augment_args(clap::Command::new("publish"));
        for flag in flags.get_arguments().filter_map(clap::Arg::get_long).filter(|flag| !LEFT_OUT.contains(flag)) {
            assert!(all.contains(&format!("--{flag}")), "--{flag} is in none of {all}");
        }
    }

    #[test]
    fn what_is_as_it_is_by_itself_is_not_spelled() {
        let arn = "arn:aws:sns:us-east-1:123456789012:t";
        let (command, _) = spelled(&["in.json", "--resume", "--topic", arn]);
        assert_eq!(command, format!("ruminate publish in.json --topic {arn}"));
    }

    /// The words of a command, as a shell divides them; quotes of one kind.
    fn shlex(command: &str) -> Vec<String> {
        let (mut words, mut quoted) = (vec![String::new()], false);
        for c in command.chars() {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words
    }
}
